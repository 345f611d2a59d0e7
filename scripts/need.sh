#!/usr/bin/env bash
# need.sh redis|cc: sees to it that a Redis-compatible server or a C compiler is there, and installs it where the
# package manager is known and allowed. A server that is only there under the name valkey-server is linked as
# bin/tools/redis-server.
. "$(dirname "$0")/lib.sh"

# as_root runs a command with the rights that a package manager asks for, never asking for a password.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
		sudo -n "$@"
	else
		say "not allowed to run: $*" >&2
		return 1
	fi
}

# install MANAGER ALTERNATIVE...: each alternative is a list of packages; the first that installs will do.
install() {
	local manager=$1 alternative
	shift
	[ "$manager" != apt-get ] || as_root apt-get update -qq || return 1
	for alternative in "$@"; do
		say "installing $alternative with $manager"
		# shellcheck disable=SC2086 # an alternative is a list of words
		case $manager in
		apt-get) as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $alternative ;;
		dnf) as_root dnf install -y -q $alternative ;;
		apk) as_root apk add --quiet $alternative ;;
		pacman) as_root pacman -S --noconfirm --needed $alternative ;;
		brew) brew install --quiet $alternative ;;
		esac </dev/null >&2 && return 0
	done
	return 1
}

# manager prints the first package manager that is there and known.
manager() {
	local name
	for name in apt-get dnf apk pacman brew; do
		if command -v "$name" >/dev/null; then
			echo "$name"
			return 0
		fi
	done
	return 1
}

redis_there() { command -v redis-server >/dev/null || command -v valkey-server >/dev/null; }
cc_there() { command -v "$(go env CC)" >/dev/null; }

case ${1:-} in
redis)
	there=redis_there
	what="redis-server 6.2 or newer, or valkey-server"
	;;
cc)
	there=cc_there
	what="a C compiler (the race detector links C)"
	;;
*) fail "usage: need.sh redis|cc" ;;
esac

if ! $there; then
	say "$what is not here"
	by=$(manager) || fail "no package manager that is known: please install $what"
	case $1-$by in
	redis-apt-get) install "$by" redis-server valkey-server ;;
	redis-dnf | redis-apk | redis-pacman | redis-brew) install "$by" valkey redis ;;
	cc-apt-get) install "$by" "gcc libc6-dev" ;;
	cc-dnf) install "$by" "gcc glibc-devel" ;;
	cc-apk) install "$by" "gcc musl-dev" ;;
	cc-pacman) install "$by" gcc ;;
	cc-brew) fail "please run: xcode-select --install" ;;
	esac || fail "could not install it with $by: please install $what"
	$there || fail "$by installed it, but it is not on the PATH"
fi

if [ "$1" = redis ] && ! command -v redis-server >/dev/null; then
	mkdir -p bin/tools
	ln -sf "$(command -v valkey-server)" bin/tools/redis-server
fi
