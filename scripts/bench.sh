#!/usr/bin/env bash
# Measures every stage beside its floor and prints one table. BENCH chooses stages by regexp, COUNT is the number of
# rounds, whose median is shown.
. "$(dirname "$0")/lib.sh"

scripts/need.sh redis
export PATH="$ROOT/bin/tools:$PATH"
exec go run ./test/bench -stages "${BENCH:-.}" -rounds "${COUNT:-3}"
