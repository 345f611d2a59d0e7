#!/usr/bin/env bash
# Runs every static check, all of them even when one fails, and fails when any did.
. "$(dirname "$0")/lib.sh"

failed=()
step() {
	local name=$1
	shift
	say "$name"
	"$@" || failed+=("$name")
}

# format names the files that gofmt would change.
format() {
	local list
	list=$(find . -name '*.go' -not -path './.git/*' -not -path './bin/*' -exec gofmt -l {} +)
	[ -z "$list" ] || { printf 'not formatted:\n%s\n' "$list"; return 1; }
}

code() {
	local linter
	linter=$(tool golangci-lint)
	mapfile -t all < <(patterns)
	"$linter" run "${all[@]}"
}

shell() {
	command -v shellcheck >/dev/null || { say "skipped: no shellcheck"; return 0; }
	shellcheck -x -P SCRIPTDIR scripts/*.sh .ci/run
}

step format format
step contract scripts/contract.sh
step "vendors' names" scripts/names.sh
step arrows scripts/arrows.sh
step dependencies scripts/dependencies.sh
step "linked packages" scripts/linked.sh
step docs scripts/docs.sh
step scripts shell
step code code

[ ${#failed[@]} -eq 0 ] || fail "failed: $(printf '%s; ' "${failed[@]}")"
