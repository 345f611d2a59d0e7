#!/usr/bin/env bash
# Builds a plugin outside this repository, the way README.md says, and asks it for its version.
. "$(dirname "$0")/lib.sh"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp examples/echo/main.go "$folder/"
cd "$folder"
export GOWORK=off
{
	go mod init example.com/echo
	go mod edit -require bulkhead.dev/sdk@v0.0.0 -replace "bulkhead.dev/sdk=$ROOT/sdk"
	go mod tidy
} 2>&1 | sed 's/^/  /'
go build -o echo .
version=$(./echo version)
[ "$version" = "echo 1.0.0" ] || fail "it says that it is: $version"
say "built outside the repository: $version, $(($(wc -c <./echo) / 1024 / 1024)) MB"
