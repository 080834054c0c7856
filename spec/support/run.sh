#!/bin/sh
# Runs the specs, each file in a process of its own, and adds them up: run.sh "<C programs>" "<spec files>"
#
# The Makefile calls it at the root of the repository, with LUA_BIN, CORE, LUA_PATH and LUA_CPATH set. A file that
# fails is shown whole but for what passed; V=1 shows everything. Lines that begin with `# figures: ` are shown always.
# A crash, a file that runs into the time limit, one without a test or one that ends before its plan counts as a
# failure. The last line is `N passed, N failed`.
#
# SPEC_UNDER is a command that every file is run under, and every Lua that a spec starts through child.lua. SPEC_FLAGS
# are for busted. With SPEC_COLLECTOR=hard Lua's collector never rests. SPEC_REPORTS is a directory, into which a
# sanitizer or valgrind writes what it finds, also in the processes that a spec starts: whatever is in it after a file
# is a failure of that file, however its tests went.
set -u

lua=${LUA_BIN:-lua}
limit=${SPEC_TIMEOUT:-300}
under=${SPEC_UNDER:-}
reports=${SPEC_REPORTS:-}

# What could lead a spec astray: proxies, certificates, this project's own variables, the calling make's, and CI,
# which a cassette goes by. A spec sets what it wants.
unset http_proxy https_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY
unset SSL_CERT_FILE SSL_CERT_DIR CURL_CA_BUNDLE CURL_HOME
unset CI MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES GNUMAKEFLAGS LUA_INIT
for name in $(env | sed -n -e 's/^\(KATAVEN_[A-Za-z0-9_]*\)=.*/\1/p' -e 's/^\(LUA_[A-Z]*_5_[0-9]\)=.*/\1/p'); do
	unset "$name"
done
LC_ALL=C.UTF-8 CMOCKA_MESSAGE_OUTPUT=TAP
export LC_ALL CMOCKA_MESSAGE_OUTPUT

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

if timeout --foreground 1 true 2>/dev/null; then
	limited="timeout --foreground -k 10 $limit"
else
	limited=
fi

passed=0 failed=0 skipped=0

# Reads TAP, busted's (plan at the end, a `# file @ line: name` before each test) or cmocka's (a plan for each group
# of tests). Writes the three counts and the plan to `counts`, the test that ran last to `last`, and prints what is
# worth reading of a file that failed.
read_tap() {
	awk -v counts="$work/counts" -v last="$work/last" '
		/^1\.\.[0-9]+/          { plan += substr($0, 4); planned = 1; next }
		/^(not )?ok [0-9]+/     { running = "" }
		/^(not )?ok [0-9]+.*# SKIP/ { skipped++; next }
		/^ok [0-9]+/            { passed++; next }
		/^not ok [0-9]+/        { failed++ }
		/^# .+ @ [0-9]+: /      { running = substr($0, 3); next }
		/^TAP version|^# (not )?ok - |^#? *$/ { next }
		                        { print "    " $0 }
		END {
			print passed + 0, failed + 0, skipped + 0, planned ? plan : "none" > counts
			if (running != "") print running > last
		}' "$work/out"
}

# one <name> <command>...: runs one file and adds up what it says.
one() {
	name=$1
	shift
	rm -f "$work/counts" "$work/last"
	[ -z "$reports" ] || { rm -rf "$reports" && mkdir -p "$reports"; }
	started=$(date +%s)
	# shellcheck disable=SC2086
	$limited $under "$@" >"$work/out" 2>"$work/err" </dev/null
	code=$?
	read_tap >"$work/shown"
	read -r p f s plan <"$work/counts"

	trouble=''
	if [ "$code" = 124 ]; then
		trouble="stopped after $limit seconds"
	elif [ "$code" -gt 128 ]; then
		trouble="killed by signal $((code - 128))"
	elif [ "$plan" = none ]; then
		trouble="ended before its plan, with exit code $code"
	elif [ "$plan" != $((p + f + s)) ]; then
		trouble="planned $plan tests, but $((p + f + s)) reported"
	elif [ "$plan" = 0 ]; then
		trouble="ran no test"
	elif [ "$code" != 0 ] && [ "$f" = 0 ]; then
		trouble="exit code $code"
	fi
	[ -z "$trouble" ] || f=$((f + 1))
	found=$([ -z "$reports" ] || find "$reports" -type f -size +0)
	if [ -n "$found" ]; then
		trouble="${trouble:+$trouble; }reported from beneath, see below"
		f=$((f + 1))
	fi
	spent=$(($(date +%s) - started))
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))

	if [ "$f" = 0 ]; then
		echo "ok    $name  $p$([ "$s" = 0 ] || echo " ($s skipped)")$([ "$spent" -lt 3 ] || echo " in $spent s")"
		sed -n 's/^# figures: /      /p' "$work/out"
		[ -z "${V:-}" ] || sed 's/^/    /' "$work/out" "$work/err"
		return
	fi
	echo "FAIL  $name  $p passed, $f failed$([ "$spent" -lt 3 ] || echo " in $spent s")"
	[ -z "$trouble" ] || echo "    $trouble$([ ! -s "$work/last" ] || echo ", in $(cat "$work/last")")"
	if [ -n "${V:-}" ]; then
		sed 's/^/    /' "$work/out"
	else
		cat "$work/shown"
	fi
	sed 's/^/    /' "$work/err"
	# shellcheck disable=SC2086
	[ -z "$found" ] || cat $found | head -n 200 | sed 's/^/    /'
}

for program in ${1:-}; do
	one "$program" "$program"
done

# Not busted's own script: what LuaRocks installs under that name is a shell script with a Lua of its choice. And
# busted 2.1 loses the message when a file does not compile.
cat >"$work/busted.lua" <<'LUA'
local _, problem = loadfile(arg[#arg])
if problem then
	io.stderr:write(problem, "\n")
	os.exit(1)
end
if os.getenv "SPEC_COLLECTOR" == "hard" then
	pcall(collectgarbage, "incremental")
	collectgarbage("setpause", 0)
	collectgarbage("setstepmul", 1000)
end
require "busted.runner" { standalone = false }
LUA
for spec in ${2:-}; do
	# shellcheck disable=SC2086
	one "$spec" "$lua" "$work/busted.lua" -v -o TAP ${SPEC_FLAGS:-} "$spec"
done

echo "$passed passed, $failed failed$([ "$skipped" = 0 ] || echo ", $skipped skipped")"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
