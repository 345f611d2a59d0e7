#!/usr/bin/env bash
# What a minimal plugin links decides how large it is and how fast it starts. It is written down in
# docs/linked-modules.txt (modules of others, packages of ours), so that a new one is seen in review.
# linked.sh --write writes the page anew.
. "$(dirname "$0")/lib.sh"

page=docs/linked-modules.txt
plugin=examples/echo
if [ -z "$(find "$plugin" -name '*.go' -print -quit)" ]; then
	say "skipped: $plugin has no Go files"
	exit 0
fi

# linked prints the list for the two systems that plugins are built for, so that it is the same wherever it is made.
linked() {
	local system
	for system in linux darwin; do
		GOOS=$system GOARCH=amd64 CGO_ENABLED=0 go list -deps \
			-f '{{with .Module}}{{if .Main}}{{$.ImportPath}}{{else}}{{.Path}}{{end}}{{end}}' "./$plugin"
	done | grep -v "^bulkhead.dev/$plugin" | sort -u
}

if [ "${1:-}" = --write ]; then
	linked >"$page"
	exit
fi
diff -u "$page" <(linked) || fail "a plugin links other modules than $page says: is that wanted? Then: make linked"
