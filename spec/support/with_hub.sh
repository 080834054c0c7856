#!/bin/sh
# Runs a command beside a local hub: starts the hub on a free port, sets the variables that a client reads, runs the
# command, stops the hub, and exits with the command's status.
#
#   spec/support/with_hub.sh [hub flags] -- command [arguments]

set -u
here=$(dirname "$0")

fail() {
  echo "with_hub.sh: $1" >&2
  exit 2
}

# The flags come first and the command after `--`: walk once around the arguments, and keep each on its side.
flags=''
quoted() { printf "'%s' " "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")"; }
while [ $# -gt 0 ] && [ "$1" != -- ]; do
  flags="$flags$(quoted "$1")"
  shift
done
[ $# -gt 1 ] || fail 'usage: with_hub.sh [hub flags] -- command [arguments]'
shift

# The hub lives as long as descriptor 3 is open. Only this shell holds it, so even a kill -9 ends both.
pipes=$(mktemp -d) || fail 'no temporary directory'
mkfifo "$pipes/in" "$pipes/out" || fail 'no named pipes'
(
  eval "set -- $flags"
  exec lua5.1 "$here/hub.lua" "$@" --parent-stdin --quiet
) <"$pipes/in" >"$pipes/out" &
hub=$!
exec 3>"$pipes/in" 4<"$pipes/out"
rm -rf "$pipes"

# The first line is the port's, the next two are export statements.
IFS= read -r line <&4
case $line in
  port=*) ;;
  *) fail 'the hub did not start' ;;
esac
for _ in 1 2; do
  IFS= read -r line <&4 && eval "$line"
done

"$@" 3>&- 4<&-
status=$?

exec 3>&-
wait "$hub"
exit "$status"
