"""Python's http.client on one connection."""

import http.client
import json
import sys
import time
import urllib.parse

kind, url = sys.argv[1:3]
parts = urllib.parse.urlsplit(url)
kept = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
connection = kept(parts.hostname, parts.port)
headers = {
    "Authorization": "Bearer sk_live_bench_1",
    "Accept": "application/json",
    "Content-Type": "application/json",
}
given = {"name": "acme.com", "domain_allowlist": ["acme.com", "*.acme.com"]}


def call():
    if kind == "create":
        connection.request("POST", parts.path, json.dumps(given), headers)
    else:
        connection.request("GET", parts.path, headers=headers)
    answer = connection.getresponse()
    text = answer.read()
    assert answer.status < 300, answer.status
    return json.loads(text)


for line in sys.stdin:
    began = time.process_time()
    for _ in range(int(line)):
        value = call()
    spent = time.process_time() - began
    assert "id" in (value if kind == "create" else value[0])
    print(round(spent * 1e6), flush=True)
