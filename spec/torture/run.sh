#!/bin/sh
# Runs the sweep in two processes that share the work, and adds them up: run.sh <program> [scenario [allocator [mode
# [n]]]]. The last line is `N passed, N failed`.
set -u

program=$1
shift
# In memory where that can be: a cassette is written to disk in earnest.
work=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d) || exit 1
other=
trap '[ -z "$other" ] || kill "$other" 2>/dev/null; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP
mkdir "$work/0" "$work/1"

# Stacks are cut short, and little is kept in quarantine: each point is a process's memory anew.
ASAN_OPTIONS="detect_leaks=1:malloc_context_size=12:quarantine_size_mb=16${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
UBSAN_OPTIONS=print_stacktrace=1
export ASAN_OPTIONS UBSAN_OPTIONS

started=$(date +%s)
"$program" "$work/1" 1 2 "$@" >"$work/other" 2>&1 &
other=$!
"$program" "$work/0" 0 2 "$@" 2>&1 | tee "$work/one"
wait "$other"
other=
cat "$work/other"

grep -hE '^[0-9]+ points, [0-9]+ passed, [0-9]+ failed$' "$work/one" "$work/other" >"$work/totals"
awk -v spent=$(($(date +%s) - started)) '
	{ points += $1; passed += $3; failed += $5 }
	END {
		if (NR != 2) failed++ # one of them came to no end
		if (passed + failed == 0) failed++ # no such scenario
		printf "%d points in %d s\n%d passed, %d failed\n", points, spent, passed, failed
		exit failed > 0
	}' "$work/totals"
