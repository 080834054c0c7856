--- Which specs are run for the mutants: by their coverage, but for files that run where no hook sees them.
return {
    -- What builds the library anew or times it: minutes for each mutant, and nothing is seen there alone.
    without = { "spec/bench_spec.lua", "spec/packaging_spec.lua", "spec/embed_spec.lua", "spec/embed_files_spec.lua",
        "spec/embed_examples_spec.lua", "spec/mutants_spec.lua" },
    -- All specs on the Lua that `make mutants` was given, and on others what only they have.
    elsewhere = {
        ["5.1"] = { "spec/hosts_spec.lua", "spec/hosts_waiting_spec.lua" },
        luajit = { "spec/nginx_spec.lua", "spec/nginx_phases_spec.lua", "spec/nginx_queue_spec.lua",
            "spec/nginx_server_spec.lua", "spec/nginx_fork_spec.lua" },
    },
    -- nginx and Redis have a Lua of their own; what is in them counts as run by these.
    unseen = {
        ["lua/kataven/host/ngx.lua"] = { "luajit spec/nginx_*" },
        ["lua/kataven/queue.lua"] = { "luajit spec/nginx_*" },
        ["lua/kataven/redis/server/"] = { "spec/redis_*" },
    },
}
