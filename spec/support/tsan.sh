#!/bin/sh
# Runs the example with eight threads, built with the thread sanitizer, against a local hub:
# tsan.sh <program> <calls of each thread>. A report is a failure, whatever the example says. The last line is
# `N passed, N failed`.
set -u

program=$1 calls=$2
output=$(mktemp)
trap 'rm -f "$output"' EXIT

# The suppression goes by the stack of an access that may be long past, hence the longest history.
TSAN_OPTIONS=exitcode=66:second_deadlock_stack=1:history_size=7:suppressions=spec/support/tsan.supp spec/support/with_hub.sh --limit-minute 0 --limit-hour 0 --limit-day 0 \
	--limit-in-flight 0 -- "$program" "$calls" >"$output" 2>&1
code=$?
cat "$output"
if [ "$code" = 0 ] && ! grep -q 'WARNING: ThreadSanitizer' "$output" &&
	grep -q "^8 threads, $((8 * calls)) calls, $((8 * calls)) answers of their own$" "$output"; then
	echo "1 passed, 0 failed"
else
	echo "exit code $code"
	echo "0 passed, 1 failed"
	exit 1
fi
