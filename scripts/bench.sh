#!/usr/bin/env bash
# Runs the benchmarks of every module. BENCH chooses some by regexp, COUNT repeats them.
. "$(dirname "$0")/lib.sh"

scripts/need.sh redis
export PATH="$ROOT/bin/tools:$PATH"
mapfile -t all < <(patterns)
go test -run '^$' -bench "${BENCH:-.}" -benchmem -count "${COUNT:-1}" "${all[@]}" | grep -v 'no test files'
