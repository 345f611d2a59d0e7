#!/usr/bin/env bash
# All that CI asks. Every step runs even when one before it failed; the tests come last, so that the log ends with
# their total.
. "$(dirname "$0")/lib.sh"

status=0
summary=()
step() {
	local name=$1 begin=$SECONDS outcome=ok
	shift
	printf '\n== %s\n' "$name"
	"$@" || { outcome=FAILED; status=1; }
	summary+=("$(printf '%-8s %-6s %4d s' "$name" "$outcome" $((SECONDS - begin)))")
}

step build make --no-print-directory plugins examples
step lint scripts/lint.sh
step vuln scripts/vuln.sh
step cross scripts/cross.sh
step fresh scripts/generate.sh --check
step outside scripts/outside.sh

printf '\n== before the tests\n'
printf '   %s\n' "${summary[@]}"

printf '\n== test\n'
scripts/test.sh || status=1
exit "$status"
