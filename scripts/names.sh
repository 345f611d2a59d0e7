#!/usr/bin/env bash
# The host knows no domain: no plugin's name may occur in what is built into it. Names are the folders of plugins/ and
# those of vendors that are foreseen.
. "$(dirname "$0")/lib.sh"

names=telegram
for dir in plugins/*/; do
	names="$names|$(basename "$dir")"
done
if grep -rniE "$names" host --include='*.go' --include='*.lua' --include='*.sql' --include='*.html' --include='*.js' --include='*.css'; then
	fail "a vendor's name under host/ (see above)"
fi
