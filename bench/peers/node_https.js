// Node's http or https, as the URL says, with an agent that keeps its connection.
"use strict";

const worker = require("./worker.js");
const http = require(worker.url.startsWith("https:") ? "https" : "http");

const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

function call() {
  return new Promise((resolve, reject) => {
    const creates = worker.kind === "create";
    const options = { agent, method: creates ? "POST" : "GET", headers: { ...worker.headers } };
    const body = creates ? JSON.stringify(worker.input) : undefined;
    if (body) options.headers["Content-Length"] = Buffer.byteLength(body);
    const request = http.request(worker.url, options, (answer) => {
      const parts = [];
      answer.on("data", (part) => parts.push(part));
      answer.on("end", () => {
        if (answer.statusCode >= 300) reject(new Error(String(answer.statusCode)));
        else resolve(JSON.parse(Buffer.concat(parts).toString()));
      });
    });
    request.on("error", reject);
    request.end(body);
  });
}

worker.run(call);
