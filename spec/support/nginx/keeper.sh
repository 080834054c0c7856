#!/bin/sh
# Runs an nginx for as long as its standard input is open: keeper.sh <directory of its own> <command>...
#
# The spec holds the other end of the input, so that even a kill -9 of the spec ends nginx, and the directory goes with
# it. Nginx gets a session of its own: whatever it started is ended with it, also where it does not listen any more.
set -u
directory=$1 pid=
shift

finish() {
	trap '' INT TERM HUP
	if [ -n "$pid" ]; then
		kill -TERM "$pid" 2>/dev/null
		for _ in $(seq 50); do
			kill -0 "$pid" 2>/dev/null || break
			sleep 0.1
		done
		kill -KILL -- "-$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	fi
	rm -rf "$directory"
	exit
}
trap finish INT TERM HUP

# As root nginx would serve as somebody who may not read what the spec may.
[ "$(id -u)" != 0 ] || set -- "$@" -g "user root;"
setsid "$@" </dev/null >"$directory/output" 2>&1 &
pid=$!

cat >/dev/null
finish
