#!/usr/bin/env bash
# Every module that ours require directly has its reason in docs/dependencies.md, and nothing stands there that none of
# ours requires.
. "$(dirname "$0")/lib.sh"

page=docs/dependencies.md
status=0
direct=$(find . -name go.mod -not -path './tools/*' -not -path './bin/*' | while read -r file; do
	go mod edit -json "$file" | awk -F '"' '
		/"Require": \[/ { inside = 1 }
		/"(Exclude|Replace|Retract|Tool)": / { inside = 0 }
		inside && $2 == "Path" { path = $4; indirect = 0 }
		inside && /"Indirect": true/ { indirect = 1 }
		inside && /^\t\t}/ { if (path != "" && !indirect) print path; path = "" }'
done | grep -v '^bulkhead\.dev/' | sort -u) || true
for tool in tools/*/go.mod; do
	direct="$direct $(go mod edit -json "$tool" | awk -F '"' '/"Tool": \[/ { inside = 1 } inside && $2 == "Path" { print $4 }')"
done

for path in $direct; do
	grep -qF "\`$path\`" "$page" || { say "$path has no reason in $page" >&2; status=1; }
done
# shellcheck disable=SC2016 # the backquotes are the page's
named=$(sed -n 's/^| `\([^`]*\)`.*/\1/p' "$page")
for path in $named; do
	grep -qxF "$path" <<<"$(tr ' ' '\n' <<<"$direct")" || { say "$path stands in $page, but no module requires it" >&2; status=1; }
done
exit "$status"
