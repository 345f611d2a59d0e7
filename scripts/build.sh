#!/usr/bin/env bash
# build.sh FOLDER MODULE...: builds the main package at the root of each module into FOLDER, named after the module.
. "$(dirname "$0")/lib.sh"

out=$1
shift
mains=()
for dir in "$@"; do
	if [ -n "$(find "$dir" -maxdepth 1 -name '*.go' ! -name '*_test.go' -print -quit)" ]; then
		mains+=("./$dir")
	fi
done
[ ${#mains[@]} -gt 0 ] || { say "$out: no Go files in $*"; exit 0; }

umask 022 # the host refuses plugins that others may write
mkdir -p "$out"
go build -o "$out/" "${mains[@]}"
for dir in "${mains[@]}"; do
	say "$out/$(basename "$dir")"
done
