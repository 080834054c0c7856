#!/bin/sh
# Fuzzes targets one after the other, each for so long: run.sh <folder of the programs> <seconds> <target>...
#
# Starts from the corpus in the repository and from what earlier runs have found; new inputs go to build/fuzz/corpus.
# What makes a target fail is kept in build/fuzz/found. A target is a test, and one that did not run at all fails; the
# last line is `N passed, N failed`. The Makefile calls it at the root of the repository.
#
# With FUZZ_SEED a run tries what another with that seed tries, as far as its time goes. It knows of no earlier run, takes
# the corpus in the order of its names, not in that of the disk, has one name for its files, and does not go by the numbers
# that are compared, since ports are among them. Lua's hashes go by addresses, which are not random where that may be
# asked for.
set -u

programs=$1 seconds=$2
shift 2

log=$(mktemp) || exit 1
if [ -n "${FUZZ_SEED:-}" ]; then
	TMPDIR=build/fuzz/seeded
	rm -rf "$TMPDIR" && mkdir -p "$TMPDIR" || exit 1
else
	TMPDIR=$(mktemp -d) || exit 1
fi
trap 'rm -rf "$log" "$TMPDIR"' EXIT
trap 'exit 130' INT TERM HUP

passed=0 failed=0 lines='' corpus=build/fuzz/corpus same=''
if [ -n "${FUZZ_SEED:-}" ]; then
	corpus=$TMPDIR/corpus
	! setarch -R true 2>/dev/null || same='setarch -R'
fi

# The environment must not decide what a target does: not by a proxy in it, and not by its length, which moves the stack.
alone() {
	env -i PATH=/usr/bin:/bin UBSAN_OPTIONS=print_stacktrace=1 TMPDIR="$TMPDIR" ${FUZZ_SEED:+"FUZZ_SEED=$FUZZ_SEED"} $same "$@"
}

# The seeds of a target, as libFuzzer takes them.
seeds() {
	if [ -n "${FUZZ_SEED:-}" ]; then
		find "spec/fuzz/corpus/$1" -type f | LC_ALL=C sort | paste -s -d , >"$TMPDIR/seeds"
		printf -- '-seed=%s -use_cmp=0 -seed_inputs=@%s' "$FUZZ_SEED" "$TMPDIR/seeds"
	else
		printf 'spec/fuzz/corpus/%s' "$1"
	fi
}

stat() {
	sed -n "s/^stat::$1: *//p" "$log"
}

for target in "$@"; do
	found=build/fuzz/found/$target
	mkdir -p "$corpus/$target" "$found"
	dictionary=spec/fuzz/$target.dict
	# A Lua state lives from input to input, and what it holds is no leak. There it is looked for at the end only.
	leaks=1
	[ ! -e "spec/fuzz/$target.lua" ] || leaks=0
	echo "Fuzzing $target for $seconds s"
	alone "$programs/$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -detect_leaks=$leaks \
		-print_final_stats=1 $([ ! -e "$dictionary" ] || echo "-dict=$dictionary") -artifact_prefix="$found/" \
		"$corpus/$target" $(seeds "$target") >"$log" 2>&1 </dev/null
	code=$?
	# "#1234	DONE   cov: 5 ft: 6 corp: 7/8b …", or without the end the last such line.
	features=$(sed -n 's/^#[0-9].* ft: \([0-9]*\).*/\1/p' "$log" | tail -n 1)
	inputs=$(sed -n 's/^#[0-9].* corp: \([0-9]*\).*/\1/p' "$log" | tail -n 1)
	executions=$(stat number_of_executed_units)
	lines=$lines$(printf '%-10s %9s executions  %6s inputs  %6s features' "$target" "${executions:-0}" \
		"${inputs:-0}" "${features:-0}")
	if [ "$code" = 0 ] && [ "${executions:-0}" -gt 0 ]; then
		passed=$((passed + 1)) lines="$lines  good
"
		continue
	fi
	failed=$((failed + 1)) lines="$lines  FAILED
"
	grep -v '^#[0-9]' "$log" | tail -n 60
	input=$(sed -n 's/.*Test unit written to \(.*\)/\1/p' "$log" | tail -n 1)
	if [ -n "$input" ]; then
		echo
		echo "$target failed with this input, kept in $input:"
		od -A d -c "$input" | head -n 40
		echo "Once more:           $programs/$target $input"
		echo "Smaller, if may be:  $programs/$target -minimize_crash=1 -runs=100000 -exact_artifact_path=smaller $input"
		echo "When it is mended:   cp $input spec/fuzz/corpus/$target/found_<what it was>"
	fi
done

printf '%s' "$lines"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
