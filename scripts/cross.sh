#!/usr/bin/env bash
# Compiles host, sdk and plugins without C for every system they are meant for.
. "$(dirname "$0")/lib.sh"

export CGO_ENABLED=0
mapfile -t all < <(patterns | grep -E '^\./(host|sdk|plugins/[^/]+)/')
for system in linux/amd64 linux/arm64 darwin/amd64 darwin/arm64; do
	GOOS=${system%/*} GOARCH=${system#*/} go build -o /dev/null "${all[@]}" || fail "$system does not compile"
	say "$system"
done
