#!/usr/bin/env bash
# Generates sdk/pluginv1 from the contract, with the pinned generators. generate.sh --check does so in a copy and
# compares: it fails when the committed code is not what the contract says, and changes nothing.
. "$(dirname "$0")/lib.sh"

buf=$(tool buf)
go_gen=$(tool protoc-gen-go)
grpc_gen=$(tool protoc-gen-go-grpc)
PATH="$(dirname "$go_gen"):$(dirname "$grpc_gen"):$PATH"

if [ "${1:-}" != --check ]; then
	cd sdk
	"$buf" generate
	exit
fi

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -R sdk/proto sdk/buf.yaml sdk/buf.gen.yaml "$copy/"
(cd "$copy" && "$buf" generate)
diff -ru sdk/pluginv1 "$copy/pluginv1" || fail "sdk/pluginv1 is stale: run make generate and commit the result"
say "sdk/pluginv1 is what the contract says"
