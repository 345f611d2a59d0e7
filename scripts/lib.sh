# shellcheck shell=bash
# Sourced by the other scripts: strict mode, the root folder, the flags of every build.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
ROOT=$PWD
export ROOT
export GOFLAGS='-buildvcs=false -trimpath'
export CGO_ENABLED="${CGO_ENABLED:-0}"

# say prints one line under the script's own name.
say() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*"; }

# fail says why on standard error and ends the script.
fail() { say "$@" >&2; exit 1; }

# modules prints the folders of the workspace's modules that hold Go files, one a line, relative to the root.
modules() {
	local dir
	go list -m -f '{{.Dir}}' | while read -r dir; do
		if [ -n "$(find "$dir" -name '*.go' -print -quit)" ]; then
			printf '%s\n' "${dir#"$ROOT"/}"
		fi
	done
}

# patterns prints ./<module>/... for each module: a bare ./... at the root of a workspace names nothing.
patterns() { modules | sed 's|.*|./&/...|'; }

# tool prints the path of a pinned tool, which `go tool` builds once and keeps in the build cache.
tool() {
	local set
	case $1 in
	buf) set=buf ;;
	protoc-gen-*) set=gen ;;
	*) set=lint ;;
	esac
	(cd "tools/$set" && GOWORK=off go tool -n "$1")
}
