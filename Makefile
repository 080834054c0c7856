# kataven-lua. `make demo` shows it at work, `make test` tests it; both install
# what is missing first, where they can. LUA picks the Lua: 5.4, 5.3, 5.1, luajit.

LUA ?= 5.4
ifeq ($(filter 5.4 5.3 5.1 luajit,$(LUA)),)
$(error LUA=$(LUA) is none of 5.4, 5.3, 5.1, luajit)
endif
# "epoll" or "perform": how the core waits. Only Linux has the first.
DRIVER ?= epoll
CC ?= cc
CFLAGS ?= -O2 -g
PREFIX ?= /usr/local
DESTDIR ?=
# V=1 shows the commands.
Q = $(if $(V),,@)
say = @$(if $(V),:,echo "  $(1) $@")

# Fails in CI, warns elsewhere: other compilers warn of other things.
WERROR ?= $(if $(CI),-Werror)
WARNINGS = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wundef -Wwrite-strings \
	-Wcast-qual -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes \
	-Wold-style-definition -Wredundant-decls -Wnested-externs -Wformat=2 \
	-Wvla $(WERROR)

# What a distribution calls this Lua, for pkg-config and as a program. The plain
# name will do where it is the right version.
first = $(firstword $(foreach n,$(2),$(if $(shell $(1) $(n) 2>/dev/null && echo yes),$(n))))
plain = $(if $(filter $(LUA).%,$(shell $(1) 2>/dev/null)),lua)
ifeq ($(LUA),luajit)
LUA_NAMES = luajit
LUA_SHARE = 5.1
else
LUA_NAMES = lua$(LUA) lua-$(LUA) lua$(subst .,,$(LUA))
LUA_SHARE = $(LUA)
endif
LUA_PC ?= $(or $(call first,pkg-config --exists,$(LUA_NAMES)),$(call plain,pkg-config --modversion lua),$(firstword $(LUA_NAMES)))
LUA_BIN ?= $(or $(call first,command -v >/dev/null,$(LUA_NAMES)),$(call plain,lua -v 2>&1),$(firstword $(LUA_NAMES)))

BUILD = build/$(LUA)$(if $(filter-out epoll,$(DRIVER)),-$(DRIVER))
CORE = $(BUILD)/kataven/core.so
ENGINE_SOURCES = $(wildcard src/kat_*.c)
SOURCES = $(ENGINE_SOURCES) $(wildcard src/lkat_*.c)
OBJECTS = $(SOURCES:src/%.c=$(BUILD)/obj/%.o)
# What hosts link in: all but the command.
MODULES = $(sort $(shell find lua -name '*.lua' ! -path lua/kataven/cli.lua ! -path 'lua/kataven/cli/*'))
STATIC = $(BUILD)/libkataven.a
STATIC_OBJECTS = $(OBJECTS) $(BUILD)/obj/static/lkat_static.o $(BUILD)/obj/static/lkat_files.o
EXAMPLES = $(patsubst examples/embed/%.c,$(BUILD)/examples/%,$(wildcard examples/embed/*.c))
# SPECS picks some: make test SPECS=spec/client_spec.lua
SPECS ?= $(sort $(wildcard spec/c/*_spec.c)) $(sort $(wildcard spec/fuzz/*_fuzz.c)) $(sort $(wildcard spec/*_spec.lua))
# A fuzz target is run over its corpus there; `make fuzz` goes on from that.
C_BINARIES = $(patsubst spec/c/%_spec.c,$(BUILD)/spec/%,$(filter spec/c/%,$(SPECS))) \
	$(patsubst spec/fuzz/%_fuzz.c,$(BUILD)/fuzz/%,$(filter spec/fuzz/%,$(SPECS)))

LUA_CFLAGS = $(shell pkg-config --cflags $(LUA_PC))
CURL_CFLAGS = $(shell pkg-config --cflags libcurl)
CURL_LIBS = $(shell pkg-config --libs libcurl)
LUA_LIBS = $(shell pkg-config --libs $(LUA_PC))
JANSSON_CFLAGS = $(shell pkg-config --cflags jansson)
JANSSON_LIBS = $(shell pkg-config --libs jansson)
# The example hosts link lua-cjson in. Debian has it in lua-cjson-dev.
CJSON_LIBS ?= $(shell $(CC) -print-file-name=liblua$(LUA_SHARE)-cjson.a)
SYSTEM_LIBS = $(CURL_LIBS) -lm -ldl -lpthread
# FORTIFY checks nothing without the optimiser, and a sanitizer checks more. Whoever sets it, as distributions do, knows best.
OPTIMISED = $(filter -O -O1 -O2 -O3 -Os -Oz -Og -Ofast,$(lastword $(filter -O%,$(CFLAGS))))
HARDENING = $(if $(STACK_PROTECTOR),-fstack-protector-strong) \
	$(if $(OPTIMISED),$(if $(findstring -fsanitize,$(CFLAGS))$(findstring _FORTIFY_SOURCE,$(CFLAGS) $(CPPFLAGS)),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2))
STACK_PROTECTOR := $(shell echo 'int main(void) { return 0; }' | $(CC) -Werror -fstack-protector-strong -x c -c -o /dev/null - 2>/dev/null && echo yes)
BASE_CFLAGS = -std=c99 -D_GNU_SOURCE -fPIC $(HARDENING) $(WARNINGS) \
	$(if $(filter perform,$(DRIVER)),-DKAT_NO_EPOLL)

# The pin matters: see kat_curl_init. The module is never linked with -llua.
ifeq ($(shell uname -s),Darwin)
SO_LDFLAGS = -bundle -undefined dynamic_lookup
else
SO_LDFLAGS = -shared -Wl,-z,nodelete -Wl,-z,now -Wl,-z,relro -Wl,-z,noexecstack
endif

RUN_ENV = env -u LUA_PATH_5_4 -u LUA_CPATH_5_4 -u LUA_PATH_5_3 -u LUA_CPATH_5_3 \
	LUA_PATH="$(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua;$${LUA_PATH:-;}" LUA_CPATH="$(CURDIR)/$(BUILD)/?.so;$${LUA_CPATH:-;}"
DEPS = CC="$(CC)" LUA_BIN="$(LUA_BIN)" LUA_PC="$(LUA_PC)" .ci/deps

.PHONY: all static embed-examples test faults demo hub sanitize gcstress valgrind tsan torture fuzz fuzz-long soak mutants bench check \
	build-specs lint format install install-static uninstall clean deps deps-demo deps-test deps-check deps-fuzz deps-bench deps-lint env
.DELETE_ON_ERROR:

all: $(CORE)

$(CORE): $(OBJECTS)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(SO_LDFLAGS) -o $@ $(OBJECTS) $(SYSTEM_LIBS)

# The engine is compiled without Lua's headers in reach, and so holds itself to
# its side of the border.
$(BUILD)/obj/kat_%.o: src/kat_%.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(BASE_CFLAGS) $(CFLAGS) $(CPPFLAGS) $(CURL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/obj/lkat_%.o: src/lkat_%.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(BASE_CFLAGS) $(CFLAGS) $(CPPFLAGS) $(CURL_CFLAGS) $(LUA_CFLAGS) -MMD -MP -c -o $@ $<

# For hosts that link kataven in: the same objects, and the Lua files as constants.
static: $(STATIC)

$(STATIC): $(STATIC_OBJECTS)
	$(call say,AR)
	$(Q)rm -f $@ && $(AR) rcs $@ $(STATIC_OBJECTS)

# A folder is newer when a file has come or gone.
$(BUILD)/static/lkat_files.c: src/static/embed.lua $(MODULES) $(sort $(dir $(MODULES)))
	@mkdir -p $(@D)
	$(call say,EMBED)
	$(Q)$(LUA_BIN) src/static/embed.lua $(MODULES) >$@

vpath lkat_%.c src/static $(BUILD)/static
$(BUILD)/obj/static/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(BASE_CFLAGS) $(CFLAGS) $(CPPFLAGS) -Isrc -Isrc/static $(LUA_CFLAGS) -MMD -MP -c -o $@ $<

embed-examples: $(EXAMPLES)

$(BUILD)/examples/%: examples/embed/%.c src/kataven.h $(STATIC)
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) -std=c99 -D_GNU_SOURCE $(WARNINGS) $(CFLAGS) $(CPPFLAGS) $(LDFLAGS) -Isrc $(LUA_CFLAGS) -o $@ $< \
		$(STATIC) $(CJSON_LIBS) $(LUA_LIBS) $(SYSTEM_LIBS)

$(BUILD)/spec/%: spec/c/%_spec.c $(ENGINE_SOURCES:src/%.c=$(BUILD)/obj/%.o)
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(BASE_CFLAGS) $(CFLAGS) $(CPPFLAGS) -Isrc $(CURL_CFLAGS) -MMD -MP -o $@ $< \
		$(ENGINE_SOURCES:src/%.c=$(BUILD)/obj/%.o) $(CURL_LIBS) -lcmocka -lm -ldl -lpthread

# What feeds a target its inputs: replay.c, which any compiler takes, or libFuzzer.
FUZZ_MAIN ?= $(BUILD)/fuzz/replay.o
FUZZ_CFLAGS = $(BASE_CFLAGS) $(CFLAGS) $(CPPFLAGS) -Isrc $(CURL_CFLAGS) $(LUA_CFLAGS) -MMD -MP
$(BUILD)/fuzz/replay.o: spec/fuzz/replay.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(FUZZ_CFLAGS) -c -o $@ $<

$(BUILD)/fuzz/%: spec/fuzz/%_fuzz.c $(filter %.o,$(FUZZ_MAIN)) $(STATIC)
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(FUZZ_CFLAGS) $(LDFLAGS) $(if $(filter json,$*),$(JANSSON_CFLAGS)) -MF $@.d -o $@ $< $(FUZZ_MAIN) \
		$(STATIC) $(if $(filter json,$*),$(JANSSON_LIBS)) $(LUA_LIBS) $(SYSTEM_LIBS)

-include $(STATIC_OBJECTS:.o=.d) $(C_BINARIES:=.d) $(BUILD)/fuzz/replay.d

deps:
	@$(DEPS) build $(LUA)
deps-demo:
	@$(DEPS) demo $(LUA)
deps-test:
	@$(DEPS) test $(LUA)
deps-fuzz:
	@FUZZ_CC="$(FUZZ_CC)" $(DEPS) fuzz $(LUA)
deps-check:
	@$(DEPS) check $(LUA)
deps-bench:
	@$(DEPS) bench $(LUA)
deps-lint:
	@$(DEPS) lint $(LUA)

# Each goes through a second make, which sees the packages that the first one
# has just installed.
demo: deps-demo
	@$(MAKE) --no-print-directory $(CORE)
	@$(RUN_ENV) spec/support/with_hub.sh $(HUB_FLAGS) -- $(LUA_BIN) examples/demo.lua

# make hub HUB_FLAGS=--pairs
hub: deps-demo
	@lua5.1 spec/support/hub.lua $(HUB_FLAGS)

# For scripts that are to use this checkout: eval "$(make -s env)"
env:
	@echo 'export LUA_PATH="$(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua;;"'
	@echo 'export LUA_CPATH="$(CURDIR)/$(BUILD)/?.so;;"'
	@echo 'kataven() { $(LUA_BIN) "$(CURDIR)/bin/kataven" "$$@"; }'

test: deps-test
	@$(MAKE) --no-print-directory run-specs

# What `make test` runs, so that several that share it may run side by side.
build-specs: $(CORE) $(C_BINARIES) $(BUILD)/soak/server

.PHONY: run-specs
run-specs: $(CORE) $(C_BINARIES)
	@$(RUN_ENV) LUA=$(LUA) LUA_BIN=$(LUA_BIN) LUA_PC=$(LUA_PC) DRIVER=$(DRIVER) CORE=$(CORE) WERROR=$(WERROR) \
		CJSON_LIBS="$(CJSON_LIBS)" spec/support/run.sh "$(C_BINARIES)" "$(filter %.lua,$(SPECS))"

# What may happen to a connection and to a certificate, with the figures.
faults:
	@$(MAKE) --no-print-directory test SPECS="spec/faults_spec.lua spec/fault_ends_spec.lua spec/proxy_faults_spec.lua $(wildcard spec/tls_*spec.lua)"

# The specs once more, with the compiler's own checks on memory and undefined behaviour, and what nobody freed. The
# interpreter has to have the runtime from the start, so it is one of ours; LuaJIT brings its own memory, which the
# runtime knows nothing of. Left out is what builds the library anew, without the checks: there is nothing to be seen.
# And nginx would have to be built with the runtime. A child that was forked abandons what it inherited, which to them
# is a leak.
SANITIZED = -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all
REBUILT = $(wildcard spec/embed_*spec.lua spec/packaging_spec.lua spec/bench_spec.lua spec/cli_search_path_spec.lua \
	spec/libcurl_spec.lua)
NGINX = $(wildcard spec/nginx_*spec.lua)
FORKS = spec/fork_spec.lua
# What kills processes by the hundred: no report comes of those.
KILLS = $(patsubst %,spec/%_spec.lua,cli_apply_faults cli_apply_interrupted cli_apply_output redis_once)
# Where a spec's processes leave what was found, see run.sh.
REPORTS = $(CURDIR)/$(BUILD)/reports

sanitize: deps-check
	@[ $(LUA) != luajit ] || { echo "make sanitize: LUA is 5.4, 5.3 or 5.1 here" >&2; exit 2; }
	@$(MAKE) --no-print-directory run-sanitized BUILD=$(BUILD)-sanitize CFLAGS="$(SANITIZED)" \
		LUA_BIN="$(CURDIR)/$(BUILD)-sanitize/lua" SPECS="$(filter-out $(REBUILT) $(NGINX) $(FORKS) $(KILLS),$(SPECS))"

# The same with a collector that never rests, for what lives in the core and is used from Lua. Specs that count what the
# collector has done, or take time, are not among them: each line of Lua takes some twenty times as long.
HARD = $(patsubst %,spec/%_spec.lua,cassette_client canceller close finaliser headers json parallel tls_connection \
	transport transport_conformance wait widget_keys)
gcstress:
	@SPEC_COLLECTOR=hard $(MAKE) --no-print-directory sanitize SPECS="$(HARD)"

.PHONY: run-sanitized
run-sanitized: $(BUILD)/lua
	@ASAN_OPTIONS="log_path=$(REPORTS)/report:detect_stack_use_after_return=1:strict_string_checks=1:verify_asan_link_order=0" \
		UBSAN_OPTIONS="log_path=$(REPORTS)/report:print_stacktrace=1" \
		SPEC_REPORTS="$(REPORTS)" $(MAKE) --no-print-directory run-specs

$(BUILD)/lua: spec/support/lua.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) -std=c99 -D_GNU_SOURCE $(WARNINGS) $(CFLAGS) $(CPPFLAGS) $(LUA_CFLAGS) -o $@ $< $(LUA_LIBS)

# And under valgrind, which sees what libcurl and Lua do as well. Left out, besides the above: what mostly searches
# texts, for minutes (canary, cassette_secrets), what counts or closes descriptors, of which valgrind has its own, what
# goes by the clock (faults, and workers beside Redis; the sanitizers see those), what starts processes by the hundred
# (cassette_default, cassette_strict, signals), what is in Lua alone (the command, plan, redis), and what tests the specs' servers, the
# documents or busted's helper.
VALGRIND = valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite \
	--errors-for-leak-kinds=definite --num-callers=30 --suppressions=$(CURDIR)/spec/support/valgrind.supp \
	--log-file=$(REPORTS)/%p
OTHERS = $(patsubst %,spec/%_spec.lua,annotations busted canary cassette_default cassette_secrets cassette_strict cli descriptors descriptors_shortage \
	examples fault_ends faults gcstress hub log man options plan plan_wanted proxy_faults readme servers signals tcp_server testing_guide) \
	$(wildcard spec/cli_*_spec.lua spec/redis_*_spec.lua)

valgrind: deps-check
	@[ $(LUA) != luajit ] || { echo "make valgrind: LUA is 5.4, 5.3 or 5.1 here" >&2; exit 2; }
	@SPEC_UNDER="$(VALGRIND)" SPEC_REPORTS="$(REPORTS)" SPEC_FLAGS=--exclude-tags=speed \
		$(MAKE) --no-print-directory run-specs SPECS="$(filter-out $(REBUILT) $(NGINX) $(FORKS) $(KILLS) $(OTHERS),$(SPECS))"

# Eight threads with a Lua each, under the thread sanitizer.
TSAN_CALLS ?= 250
tsan: deps-check
	@$(MAKE) --no-print-directory embed-examples BUILD=$(BUILD)-tsan CFLAGS="-O1 -g -fsanitize=thread"
	@spec/support/tsan.sh $(BUILD)-tsan/examples/threads $(TSAN_CALLS)

# Each fuzz target for FUZZ_SECONDS, from its corpus on, with libFuzzer, which comes
# with clang. FUZZ picks some: make fuzz FUZZ="json url".
FUZZ ?= $(patsubst spec/fuzz/%_fuzz.c,%,$(sort $(wildcard spec/fuzz/*_fuzz.c)))
FUZZ_SECONDS ?= 60
FUZZ_CC ?= clang
HOURS ?= 8
FUZZ_BUILD = build/$(LUA)-fuzz

fuzz: deps-fuzz
	@$(MAKE) -s --no-print-directory BUILD=$(FUZZ_BUILD) CC="$(FUZZ_CC)" FUZZ_MAIN=-fsanitize=fuzzer \
		CFLAGS="-O1 -g -fno-omit-frame-pointer -DFUZZING -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all" \
		$(FUZZ:%=$(FUZZ_BUILD)/fuzz/%)
	@spec/fuzz/run.sh $(FUZZ_BUILD)/fuzz $(FUZZ_SECONDS) $(FUZZ)

# make fuzz-long FUZZ=json HOURS=8
fuzz-long:
	@$(MAKE) --no-print-directory fuzz FUZZ_SECONDS=$$(($(HOURS) * 3600))

# Every request for memory refused in turn, in every scenario: see spec/torture.
TORTURE_SOURCES = $(wildcard spec/torture/*.c)
TORTURE = $(BUILD)/spec/torture

torture: deps-test
	@$(MAKE) --no-print-directory run-torture BUILD=$(BUILD)-torture \
		CFLAGS="-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all"

.PHONY: run-torture
run-torture: $(TORTURE)
	@spec/torture/run.sh $(TORTURE) $(SCENARIO)

$(TORTURE): $(TORTURE_SOURCES) $(wildcard spec/torture/*.h) spec/c/server.h $(STATIC)
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(BASE_CFLAGS) $(CFLAGS) $(CPPFLAGS) $(LDFLAGS) -Isrc -Isrc/static $(LUA_CFLAGS) $(CURL_CFLAGS) -o $@ \
		-Wl,--wrap=malloc,--wrap=realloc,--wrap=free $(TORTURE_SOURCES) $(STATIC) $(CJSON_LIBS) $(LUA_LIBS) $(SYSTEM_LIBS)

# Small changes to the sources, one at a time, each of which some spec has to notice: see docs/testing.md. FILES picks
# sources: make mutants MUTANTS=50 MUTANTS_SEED=2 FILES="src/kat_gate.c lua/kataven/call.lua"
mutants: deps-test
	@LUA=$(LUA) LUA_BIN=$(LUA_BIN) FILES="$(FILES)" MUTANTS=$(or $(MUTANTS),300) MUTANTS_SEED=$(or $(MUTANTS_SEED),1) \
		$(LUA_BIN) spec/mutants/run.lua

build/mutants/cover-$(LUA).so: spec/mutants/cover.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) -std=c99 -D_GNU_SOURCE -fPIC $(WARNINGS) $(CFLAGS) $(CPPFLAGS) $(LUA_CFLAGS) -shared -o $@ $<

# Very many calls and clients; memory and descriptors must end where they were. CI takes fewer.
soak: deps-test
	@$(MAKE) --no-print-directory $(CORE) $(BUILD)/soak/server
	@$(RUN_ENV) SOAK_CALLS=$(SOAK_CALLS) SOAK_CLIENTS=$(SOAK_CLIENTS) \
		$(LUA_BIN) spec/soak/soak.lua $(BUILD)/soak/server

$(BUILD)/soak/%: spec/soak/%.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) -std=c99 -D_GNU_SOURCE $(WARNINGS) $(CFLAGS) $(CPPFLAGS) -o $@ $<

# What the client costs beside what else one would take, and whether that is within the limits; bench/RESULTS.md is
# written anew. BENCH picks rows, QUICK=1 makes each as short as it can be: make bench BENCH="warm cold" QUICK=1
BENCH_BUILD = $(BUILD)/bench
BENCH_TOOLS = $(addprefix $(BENCH_BUILD)/,bare measure libcurl_memory yardstick.so meter.so counter.so slow_dns.so)
# The last processor, for the server and the clients: what is measured shares it with nobody.
BENCH_CORE ?= $(shell expr $$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1) - 1)

# What could lead a peer astray: certificates, proxies, this project's own variables.
BENCH_UNSET = SSL_CERT_FILE SSL_CERT_DIR CURL_CA_BUNDLE NODE_EXTRA_CA_CERTS NODE_OPTIONS CI http_proxy https_proxy all_proxy \
	HTTP_PROXY HTTPS_PROXY ALL_PROXY $(filter KATAVEN_%,$(shell env | sed 's/=.*//'))

bench: deps-bench
	@$(MAKE) --no-print-directory $(CORE) bench-tools
	@if pkg-config --exists luajit; then $(MAKE) --no-print-directory all LUA=luajit; fi
	@$(MAKE) --no-print-directory run-bench

.PHONY: bench-tools run-bench
bench-tools: $(BENCH_TOOLS)

run-bench:
	@$(subst LUA_CPATH=",LUA_CPATH="$(CURDIR)/$(BENCH_BUILD)/?.so;,$(RUN_ENV)) \
		env $(BENCH_UNSET:%=-u %) LUA_BIN=$(LUA_BIN) BENCH_BUILD=$(BENCH_BUILD) BENCH_CORE=$(BENCH_CORE) QUICK=$(QUICK) \
		$(if $(shell command -v taskset),taskset -c $(BENCH_CORE)) $(LUA_BIN) bench/run.lua $(BENCH)

comma = ,
BENCH_CC = $(CC) -std=c99 -D_GNU_SOURCE -fPIC $(WARNINGS) $(CFLAGS) $(CPPFLAGS) $(LDFLAGS)
TRANSFER = bench/tools/transfer.c

$(BENCH_BUILD)/%: bench/peers/%.c $(TRANSFER) bench/tools/transfer.h
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(BENCH_CC) $(CURL_CFLAGS) -o $@ $< $(TRANSFER) $(CURL_LIBS)

$(BENCH_BUILD)/yardstick.so: bench/tools/yardstick.c $(TRANSFER) bench/tools/transfer.h
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(BENCH_CC) $(CURL_CFLAGS) $(LUA_CFLAGS) $(SO_LDFLAGS) -o $@ $< $(TRANSFER) $(CURL_LIBS)

$(BENCH_BUILD)/%.so: bench/tools/%.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(BENCH_CC) $(CURL_CFLAGS) $(LUA_CFLAGS) -shared -o $@ $< $(if $(filter counter,$*),-Wl$(comma)--no-as-needed $(CURL_LIBS)) -ldl

$(BENCH_BUILD)/slow_dns.so: spec/support/slow_dns.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(BENCH_CC) -shared -o $@ $< -ldl

$(BENCH_BUILD)/%: bench/tools/%.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(BENCH_CC) $(CURL_CFLAGS) -o $@ $< $(if $(filter libcurl_memory,$*),$(CURL_LIBS))

# All of it but the long fuzzing.
check:
	@.ci/run check

C_FILES = $(wildcard src/*.[ch] src/static/*.[ch] spec/c/*.[ch] spec/fuzz/*.[ch] spec/torture/*.[ch] spec/soak/*.c spec/mutants/*.c spec/support/*.c \
	examples/embed/*.c bench/*/*.[ch])

lint: deps-lint
	clang-format --dry-run --Werror $(C_FILES)
	luacheck --quiet bin/kataven lua spec src examples bench rockspec/*.rockspec
	@! grep -ln 'lua\.h\|lauxlib\.h' src/kat_* || { echo "the engine must not include Lua's headers"; exit 1; }

format: deps-lint
	clang-format -i $(C_FILES)

LUA_DIR = $(DESTDIR)$(PREFIX)/share/lua/$(LUA_SHARE)
LIB_DIR = $(DESTDIR)$(PREFIX)/lib/lua/$(LUA_SHARE)
# Named after its Lua, like Debian's liblua5.4-cjson.a: two may stand side by side.
STATIC_NAME = kataven-$(firstword $(LUA_NAMES))
STATIC_DIR = $(DESTDIR)$(PREFIX)/lib
INCLUDE_DIR = $(DESTDIR)$(PREFIX)/include

# The command, its page, and what completes it: they are the Lua's that was installed last.
LUA_PROGRAM = $(shell command -v $(LUA_BIN))
COMMAND = $(DESTDIR)$(PREFIX)/bin/kataven
SHARE = $(DESTDIR)$(PREFIX)/share
MAN_PAGE = $(SHARE)/man/man1/kataven.1
BASH_COMPLETION = $(SHARE)/bash-completion/completions/kataven
ZSH_COMPLETION = $(SHARE)/zsh/site-functions/_kataven
FISH_COMPLETION = $(SHARE)/fish/vendor_completions.d/kataven.fish
# For FUNCTION LOAD, where somebody has no use for the command.
REDIS_FUNCTIONS = $(SHARE)/kataven/redis-functions.lua
RUN_COMMAND = $(RUN_ENV) $(LUA_BIN) bin/kataven

# The umask is whoever's, and files that an earlier one left open to all are there perhaps: modes are named. Folders that
# are not ours stay as they are, which `install -d` would not leave them.
OURS = umask 022 &&

install: $(CORE)
	$(OURS) mkdir -p "$(LIB_DIR)" "$(LUA_DIR)" $(foreach file,COMMAND MAN_PAGE,"$$(dirname "$($(file))")") "$(SHARE)"
	$(OURS) install -d -m 755 "$(LIB_DIR)/kataven" "$(SHARE)/kataven"
	$(OURS) install -m 755 $(CORE) "$(LIB_DIR)/kataven/core.so"
	$(OURS) find lua/kataven -type d | while read -r folder; do \
		install -d -m 755 "$(LUA_DIR)/$${folder#lua/}" || exit 1; \
	done
	$(OURS) find lua/kataven -name '*.lua' | while read -r file; do \
		install -m 644 "$$file" "$(LUA_DIR)/$${file#lua/}" || exit 1; \
	done
	$(OURS) sed -e '1s|.*|#!$(LUA_PROGRAM)|' -e 's|@PREFIX@|$(PREFIX)|' bin/kataven >"$(COMMAND)" && chmod 755 "$(COMMAND)"
	$(OURS) install -m 644 docs/man/kataven.1 "$(MAN_PAGE)"
	$(OURS) $(RUN_ENV) $(LUA_BIN) -e 'io.write(require("kataven.redis.functions").library())' >"$(REDIS_FUNCTIONS)" && \
		chmod 644 "$(REDIS_FUNCTIONS)"
	@$(OURS) if $(RUN_COMMAND) --version >/dev/null; then \
		mkdir -p $(foreach file,BASH ZSH FISH,"$$(dirname "$($(file)_COMPLETION)")") && \
		$(RUN_COMMAND) completion bash >"$(BASH_COMPLETION)" && \
		$(RUN_COMMAND) completion zsh >"$(ZSH_COMPLETION)" && \
		$(RUN_COMMAND) completion fish >"$(FISH_COMPLETION)" && \
		chmod 644 "$(BASH_COMPLETION)" "$(ZSH_COMPLETION)" "$(FISH_COMPLETION)"; \
	else \
		echo "Completions for shells are left out; the rest is installed." >&2; \
	fi

install-static: $(STATIC)
	$(OURS) mkdir -p "$(STATIC_DIR)/pkgconfig" "$(INCLUDE_DIR)"
	$(OURS) install -m 644 $(STATIC) "$(STATIC_DIR)/lib$(STATIC_NAME).a"
	$(OURS) install -m 644 src/kataven.h "$(INCLUDE_DIR)/kataven.h"
	$(OURS) sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@NAME@|$(STATIC_NAME)|' -e 's|@SYSTEM_LIBS@|$(SYSTEM_LIBS)|' \
		-e "s|@VERSION@|$$($(LUA_BIN) -e 'print(dofile "lua/kataven/version.lua")')|" \
		src/static/kataven.pc.in >"$(STATIC_DIR)/pkgconfig/$(STATIC_NAME).pc" && \
		chmod 644 "$(STATIC_DIR)/pkgconfig/$(STATIC_NAME).pc"

# The header is every Lua's, and goes with the last of the libraries. The command may be another Lua's.
uninstall:
	! head -n 1 "$(COMMAND)" 2>/dev/null | grep -qxF '#!$(LUA_PROGRAM)' || \
		rm -f "$(COMMAND)" "$(MAN_PAGE)" "$(BASH_COMPLETION)" "$(ZSH_COMPLETION)" "$(FISH_COMPLETION)" \
			"$(REDIS_FUNCTIONS)"
	rm -rf "$(LIB_DIR)/kataven" "$(LUA_DIR)/kataven"
	rm -f "$(STATIC_DIR)/lib$(STATIC_NAME).a" "$(STATIC_DIR)/pkgconfig/$(STATIC_NAME).pc"
	ls "$(STATIC_DIR)"/libkataven-*.a >/dev/null 2>&1 || rm -f "$(INCLUDE_DIR)/kataven.h"

# The last two are what `luarocks make` leaves behind.
clean:
	rm -rf build kataven src/*.o
