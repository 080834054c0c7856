#!/bin/sh
# Runs a redis-server for as long as its standard input is open: keeper.sh <program> <configuration>
#
# The spec holds the other end of the input, so that even a kill -9 of the spec ends the server.
set -u

finish() {
	trap '' INT TERM HUP
	kill -KILL "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	exit
}
"$1" "$2" </dev/null >/dev/null 2>&1 &
pid=$!
trap finish INT TERM HUP

cat >/dev/null
finish
