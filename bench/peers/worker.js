// bench/worker.lua for Node: `run` reads counts, makes so many calls, and writes the microseconds of processor time.
"use strict";

const [kind, url] = process.argv.slice(2);

async function run(call) {
  const lines = require("readline").createInterface({ input: process.stdin });
  for await (const line of lines) {
    let value;
    const began = process.cpuUsage();
    for (let left = Number(line); left > 0; left--) value = await call();
    const { user, system } = process.cpuUsage(began);
    if (!value.id && !value[0].id) throw new Error("this is no answer");
    process.stdout.write(`${user + system}\n`);
  }
}

module.exports = {
  kind,
  url,
  input: { name: "acme.com", domain_allowlist: ["acme.com", "*.acme.com"] },
  headers: {
    Authorization: "Bearer sk_live_bench_1",
    Accept: "application/json",
    "Content-Type": "application/json",
  },
  run,
};
