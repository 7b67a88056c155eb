"""An honest client in a process of its own, so that the attacker's work is not counted as waiting.

Calls again and again until standard input ends, then prints [[start, seconds], ...] as JSON.
"""

import json
import select
import sys
import time
import types

from wire_support import Client, echo_request, framed, grpc_headers


def main():
    address = types.SimpleNamespace(host=sys.argv[1], port=int(sys.argv[2]))
    client = Client(address)
    calls = []
    body = framed(echo_request(text="honest"))
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], 0.001)[0]:
        began = time.monotonic()
        reply = client.call(grpc_headers(), body, timeout=10)
        seconds = time.monotonic() - began
        assert reply.grpc_status == 0 and reply.data, f"honest call failed: {vars(reply)}"
        calls.append([began, seconds])
        # Ids are finite, and the library keeps every stream it ever had.
        if len(calls) % 2000 == 0:
            client.close()
            client = Client(address)
    print(json.dumps(calls), flush=True)


main()
