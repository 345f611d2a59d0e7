#!/usr/bin/env bash
# Lints the contract and compares it with the frozen image sdk/proto/v1.binpb: what a plugin of version 1 was built
# against must go on working. contract.sh --freeze writes that image anew.
. "$(dirname "$0")/lib.sh"

buf=$(tool buf)
cd sdk
if [ "${1:-}" = --freeze ]; then
	"$buf" build --as-file-descriptor-set --exclude-source-info -o proto/v1.binpb
	exit
fi
"$buf" lint
"$buf" breaking --against proto/v1.binpb
