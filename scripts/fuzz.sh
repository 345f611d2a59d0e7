#!/usr/bin/env bash
# Runs each fuzz target for FUZZTIME; FUZZ chooses some by regexp. What a target finds is kept under its package's
# testdata/fuzz: commit it, and it is a test from then on.
. "$(dirname "$0")/lib.sh"

status=0
while IFS=: read -r file target; do
	say "$target in $(dirname "$file")"
	go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-20s}" "./$(dirname "$file")" || status=1
done < <(modules | xargs -I{} grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' {} |
	sed 's/func //' | grep -E ":${FUZZ:-.*}" | sort)
exit "$status"
