#!/usr/bin/env bash
# Every module that ours require directly, and every tool, has its reason in docs/dependencies.md; and nothing stands
# there that none of ours requires.
. "$(dirname "$0")/lib.sh"

page=docs/dependencies.md
status=0

# required prints what the go.mod files outside tools/ require, one a line: "direct <path>" or "indirect <path>".
required() {
	find . -name go.mod -not -path './tools/*' -not -path './bin/*' -exec go mod edit -json {} \; | awk -F '"' '
		/^\t"[A-Z]/ { inside = $2 == "Require" }
		inside && $2 == "Path" { path = $4; kind = "direct" }
		inside && $2 == "Indirect" { kind = "indirect" }
		inside && /^\t\t}/ { print kind, path }' | grep -v ' bulkhead\.dev/' | sort -u
}

# tools prints the tools that tools/*/go.mod pin.
tools() {
	local file
	for file in tools/*/go.mod; do
		go mod edit -json "$file" | awk -F '"' '
			/^\t"[A-Z]/ { inside = $2 == "Tool" }
			inside && $2 == "Path" { print "direct", $4 }'
	done
}

all=$(required; tools)
# shellcheck disable=SC2016 # the backquotes are the page's
named=$(sed -n 's/^| `\([^`]*\)`.*/\1/p' "$page")

while read -r path; do
	grep -qxF "$path" <<<"$named" || { say "$path has no reason in $page" >&2; status=1; }
done < <(sed -n 's/^direct //p' <<<"$all")
while read -r path; do
	grep -qE "direct $path\$" <<<"$all" || { say "$path stands in $page, but nothing requires it" >&2; status=1; }
done <<<"$named"
exit "$status"
