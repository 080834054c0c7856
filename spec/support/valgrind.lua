--- valgrind, for children (see spec.support.child): whoever it finds fault with
--- exits with 99, and says so on stderr.

local valgrind = {}

--- What to put before the interpreter.
valgrind.launcher = { "valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full",
    "--show-leak-kinds=definite", "--errors-for-leak-kinds=definite" }

--- A test that gets the launcher, on the Luas where valgrind can tell anything.
---@param pending fun(why: string) busted's, which only a spec sees
---@param run fun(launcher: string[])
---@return function
function valgrind.test(pending, run)
    return function()
        if rawget(_G, "jit") then
            pending "LuaJIT keeps its memory out of valgrind's sight, and compares strings beyond their ends on purpose"
        else
            run(valgrind.launcher)
        end
    end
end

return valgrind
