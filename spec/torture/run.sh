#!/bin/sh
# Runs the sweep with a directory for its files, in memory where there is one: run.sh <program> [scenario [allocator
# [mode [n]]]]
set -u

program=$1
shift
work=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

ASAN_OPTIONS="detect_leaks=1:allocator_may_return_null=1${ASAN_OPTIONS:+:$ASAN_OPTIONS}" UBSAN_OPTIONS=print_stacktrace=1 \
	"$program" "$work" "$@"
