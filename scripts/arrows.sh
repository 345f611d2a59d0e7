#!/usr/bin/env bash
# Checks which of our own modules each module reaches, through any number of steps and in tests too. The arrows between
# packages, one step at a time, stand in .golangci.yml.
. "$(dirname "$0")/lib.sh"

prefix=bulkhead.dev
status=0

# reaches prints our own packages that a module's packages depend on. With -test, its tests as well.
reaches() {
	local module=$1
	shift
	go list -e -deps "$@" -f '{{.ImportPath}}' "./$module/..." | awk '{ print $1 }' | grep "^$prefix/" | sort -u
}

# forbid MODULE REGEXP: reads packages and complains of those that match.
forbid() {
	local package
	while read -r package; do
		if [[ $package =~ ^$prefix/($2)(/|$|\.test$) ]]; then
			say "$1 must not reach $package" >&2
			return 1
		fi
	done
}

while read -r module; do
	case $module in
	sdk) others='host|plugins|sandbox|examples|test' ;;
	host) others='plugins|sandbox|examples|test' ;;
	sandbox) others='sdk|host|plugins|examples|test' ;;
	test) others='host|plugins|sandbox|examples' ;;
	*) others='host|sandbox|test' ;;
	esac
	reaches "$module" -test | forbid "$module" "$others" || status=1

	# A plugin reaches itself and the sdk, never another plugin; and its binary links neither the host's half of the
	# contract nor the author's test harness.
	case $module in
	plugins/* | examples/*)
		reaches "$module" -test | grep -v "^$prefix/$module\([/.]\|\$\)" | forbid "$module" 'plugins|examples' || status=1
		reaches "$module" | forbid "$module" 'sdk/launch|sdk/plugintest' || status=1
		;;
	esac
done < <(modules)
exit "$status"
