#!/usr/bin/env bash
# Checks what the pages say: links between files lead somewhere, and the README quotes examples/echo as it is.
. "$(dirname "$0")/lib.sh"

status=0

# links prints "page target" for each link of a page to a file of ours.
links() {
	local page
	find . -name '*.md' -not -path './.git/*' -not -path './bin/*' | while read -r page; do
		grep -oE '\]\([^)]+\)|(src|srcset)="[^"]+"' "$page" |
			sed -E 's/^\]\(//; s/^[a-z]+="//; s/[)"]$//; s/#.*//' |
			grep -vE '^(https?:|mailto:|$)' | sed "s|^|$page |" || true
	done
}
while read -r page target; do
	[ -e "$(dirname "$page")/$target" ] || { say "$page links to $target, which is not there" >&2; status=1; }
done < <(links)

# The quoted program begins after the file's own doc comment.
quoted=$(awk '/^```go$/ { inside = 1; next } /^```$/ { inside = 0 } inside' README.md)
real=$(awk '/^package main$/ { found = 1 } found' examples/echo/main.go)
diff -u <(printf '%s\n' "$quoted") <(printf '%s\n' "$real") || { say "README.md quotes another program than examples/echo/main.go" >&2; status=1; }
exit "$status"
