--- valgrind, for children (see spec.support.child): whoever it finds fault with
--- exits with 99, and says so on stderr.

local valgrind = {}

--- What to put before the interpreter.
valgrind.launcher = { "valgrind", "--quiet", "--vgdb=no", "--error-exitcode=99", "--leak-check=full",
    "--show-leak-kinds=definite", "--errors-for-leak-kinds=definite" }

--- Why a spec has to do without, or nil.
---@type string?
valgrind.problem = rawget(_G, "jit")
    and "LuaJIT keeps its memory out of valgrind's sight, and compares strings beyond their ends on purpose"
    or os.getenv "ASAN_OPTIONS" and "the sanitizers are at work, and valgrind cannot run what they are in" or nil

return valgrind
