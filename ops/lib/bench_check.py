"""Check over gRPC beside nghttpd's static file: calls/s and CPU per call, interleaved A B B A.

Read with care: h2load sends one fixed request (one hot image), and it counts HTTP 200, so the
bytes that came back are compared with an answer that was decoded before the run.
"""

import argparse
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Tests" / "Outside"))

from desk import Desk, check  # noqa: E402
from service import Service, free_port  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")
CONNECTIONS, STREAMS = 8, 32


def cpu_seconds(pids):
    """User and system time of the processes and the children they have reaped."""
    total = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += sum(int(t) for t in fields[11:13])
    return total / TICK


def tree(pid):
    children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True)
    return [pid] + [p for child in children.stdout.split() for p in tree(int(child))]


def load(url, calls, extra, expected_bytes):
    """One h2load run: calls/s. Fails unless every answer came with about the expected size: a
    refusal has no body at all, and the decision's own number makes answers differ by some bytes."""
    out = subprocess.run(
        ["h2load", "-n", str(calls), "-c", str(CONNECTIONS), "-m", str(STREAMS), "-t", "1",
         *extra, url], capture_output=True, text=True, check=True, timeout=300).stdout
    assert re.search(rf"requests: {calls} total.* {calls} succeeded, 0 failed", out), out
    data = int(re.search(r"\((\d+)\) data", out).group(1))
    assert 0.95 < data / (calls * expected_bytes) < 1.1, f"{data} bytes of {calls} answers"
    return float(re.search(r"finished in .*?, ([\d.]+) req/s", out).group(1))


def measure(pids, url, calls, extra, expected_bytes):
    groups = {who: cpu_seconds(p()) for who, p in pids.items()}
    rate = load(url, calls, extra, expected_bytes)
    return {"rate": rate, **{
        who: (cpu_seconds(p()) - groups[who]) / calls * 1e6 for who, p in pids.items()}}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--calls", type=int, default=20_000, help="checks in one run")
    arguments = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="consentd-bench-"))
    service = Service(scenarios=1).start()
    nghttpd = None
    try:
        service.set_clock("2026-03-10T15:00:00Z")
        desk = Desk(service, "scenario-0")
        patient = desk.patient("P-1")
        uid = desk.image(patient)
        desk.grant(patient)
        request = check.CheckRequest(request=desk.ask(uid)).SerializeToString()
        (folder / "request").write_bytes(b"\0" + len(request).to_bytes(4, "big") + request)
        answer = check.CheckResponse()
        raw = service.channel.unary_unary("/consent.v1.CheckService/Check")
        token = service.callers["scenario-0"].token
        metadata = [("authorization", "Bearer " + token)]

        (folder / "static").write_bytes(b"x" * 24)
        port = free_port()
        nghttpd = subprocess.Popen(
            ["nghttpd", "--no-tls", "-a", "127.0.0.1", "-d", str(folder), str(port)],
            stdout=subprocess.DEVNULL)
        postmaster = service.postmaster_pid()
        headers = ["-d", str(folder / "request"), "-H", "content-type: application/grpc",
                   "-H", "te: trailers", "-H", "authorization: Bearer " + token]
        url = f"http://{service.address}/consent.v1.CheckService/Check"
        ours = {"server": lambda: [service.process.pid], "postgres": lambda: tree(postmaster)}
        theirs = {"server": lambda: [nghttpd.pid]}
        results = {"consentd": [], "nghttpd": []}

        def run(name):
            if name == "consentd":
                body = raw(request, metadata=metadata)
                answer.ParseFromString(body)
                assert desk.words(answer.decision) == "PERMIT AUTH_VALID"
                results[name].append(measure(ours, url, arguments.calls, headers, len(body) + 5))
            else:
                results[name].append(measure(
                    theirs, f"http://127.0.0.1:{port}/static", arguments.calls * 5, [], 24))

        for pair in range(arguments.pairs):
            for name in ("consentd", "nghttpd") if pair % 2 == 0 else ("nghttpd", "consentd"):
                run(name)
                print(f"  {name} {results[name][-1]['rate']:.0f}/s", file=sys.stderr)
        print(f"{CONNECTIONS} connections x {STREAMS} streams, plaintext, {arguments.pairs} pairs; "
              "median (min-max)\n")
        print(f"{'':22} {'calls/s':>24} {'server µs a call':>22} {'postgres µs a call':>22}")
        for name, rows in results.items():
            cells = []
            for column in ("rate", "server", "postgres"):
                values = [row[column] for row in rows if column in row]
                cells.append(f"{statistics.median(values):.1f} ({min(values):.1f}-{max(values):.1f})"
                             if values else "-")
            print(f"{name:22} {cells[0]:>24} {cells[1]:>22} {cells[2]:>22}")
    finally:
        if nghttpd:
            nghttpd.terminate()
            nghttpd.wait()
        service.destroy()


main()
