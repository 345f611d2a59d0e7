#!/usr/bin/env bash
# Runs every module's tests with the race detector and ends with the runner's total.
# test.sh --json prints go test's events instead: the form in which gotestsum asks for them.
. "$(dirname "$0")/lib.sh"

export CGO_ENABLED=1
mapfile -t all < <(patterns)

# run_all runs the unit tests, then the end-to-end tests in test/, whose results are never taken from the cache: they
# depend on binaries that the go command does not see.
run_all() {
	local unit=() whole=() pattern status=0
	for pattern in "${all[@]}"; do
		case $pattern in
		./test/...) whole+=("$pattern") ;;
		*) unit+=("$pattern") ;;
		esac
	done
	[ ${#unit[@]} -eq 0 ] || go test "$@" -race -timeout 10m "${unit[@]}" || status=1
	[ ${#whole[@]} -eq 0 ] || go test "$@" -race -timeout 20m -count=1 "${whole[@]}" || status=1
	return "$status"
}

if [ "${1:-}" = --json ]; then
	run_all -json
	exit
fi

scripts/need.sh redis
scripts/need.sh cc
export PATH="$ROOT/bin/tools:$PATH"
say "with $(redis-server --version), $(go version)"

if runner=$(tool gotestsum); then
	exec "$runner" --format pkgname --format-hide-empty-pkg --raw-command -- "$ROOT/scripts/test.sh" --json
fi

say "gotestsum can't be built here: plain go test"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
run_all -v | tee "$log" | grep -v -E '^=== |^ *--- PASS|no test files' || status=${PIPESTATUS[0]}
count() { grep -c -E "^ *--- $1: " "$log" || true; }
echo "DONE $(($(count PASS) + $(count FAIL) + $(count SKIP))) tests, $(count SKIP) skipped, $(count FAIL) failures"
exit "$status"
