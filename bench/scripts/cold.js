// The same for Node: bench/scripts/cold.js <URL>
"use strict";

(async () => {
  const answer = await fetch(process.argv[2], {
    headers: { Authorization: "Bearer sk_live_bench_1", Accept: "application/json" },
  });
  console.log((await answer.json()).length);
})();
