"""The wire alone: a unary call beside nghttpd's static file and a C++ gRPC echo.

One server at a time on one core, the load client on another. Three kinds of handler are measured:
`inline` is a plain function on the connection's loop; `pending` begins there and is answered from
another thread 200 microseconds later, with what else came meanwhile, as a check is by its batch;
`task` is a task on the shared pool of threads. nghttpd answers two frames; with a trailer, three, as
every gRPC server does.
"""

import argparse
import contextlib
import subprocess

import bench_common as bench
from bench_common import BUILD, CORES, RELEASE, Server, free_port, load, ratios, say, spread

KEYS = 1_000
KEY = "1.2.826.0.1.3680043.10.9999.%06d"
ROWS = [  # connections, streams, TLS
    (1, 32, False), (8, 32, False), (64, 32, False), (1, 32, True), (8, 32, True), (64, 32, True)]


def prepare(folder):
    (folder / "static").write_bytes(b"x" * 24)
    (folder / "keys").write_text("".join(KEY % n + "\n" for n in range(KEYS)))
    (folder / "body").write_bytes(bench.field(1, 2, (KEY % 0).encode()))
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", folder / "key.pem",
         "-out", folder / "cert.pem"], check=True, capture_output=True)
    (folder / "both.pem").write_text(
        (folder / "cert.pem").read_text() + (folder / "key.pem").read_text())


def commands(folder, tls):
    """Name to (command, load options), each with a port of its own."""
    echo = dict(body=folder / "body", keys=folder / "keys", key_offset=2, expect_key=1)
    page = dict(path="/static", get=1, page_bytes=24)
    service = "/wire.echo.v1.EchoService/"

    def nghttpd(*options):
        port = free_port()
        files = [folder / "key.pem", folder / "cert.pem"] if tls else []
        return ["nghttpd", *([] if tls else ["--no-tls"]), "-a", "127.0.0.1", "-d", folder,
                *options, port, *files], dict(page, port=port)

    def ours(method):
        port = free_port()
        return [RELEASE / "wire-echo", f"port={port}", "connections=20000",
                "connections-per-address=20000",
                *([f"tls={folder / 'both.pem'}"] if tls else [])], dict(
                    echo, port=port, path=service + method)

    def grpc():
        port = free_port()
        return [BUILD / "bench-echo", port, 1, *([folder / "both.pem"] if tls else [])], dict(
            echo, port=port, path=service + "Unary")

    return {"nghttpd, 2 frames": nghttpd(), "nghttpd, 3 frames": nghttpd("--trailer=grpc-status: 0"),
            "consentd wire, inline": ours("Inline"), "consentd wire, pending": ours("Pending"),
            "consentd wire, task": ours("Unary"),
            "C++ gRPC echo": grpc()}


def compare(folder, options, connections, streams, tls, names=None):
    """The contestants in turn: name to results, in the order of rounds."""
    contestants = commands(folder, tls)

    def contestant(name):
        command, of_load = contestants[name]
        # A server that does nothing costs nothing: one at a time, started anew.
        with Server(command, of_load["port"], core=CORES[0]) as server:
            return load(core=CORES[-1], connections=connections, streams=streams,
                        seconds=options.seconds, warmup=0.5, tls=int(tls),
                        cpu=f"server:{server.pid}", **of_load)

    return bench.interleave({name: lambda name=name: contestant(name)
                             for name in names or contestants}, options.pairs)


def calls(folder, options):
    """One table for each number of connections, plaintext and TLS."""
    summary = []
    for connections, streams, tls in ROWS:
        results = compare(folder, options, connections, streams, tls)
        title = f"{connections} connections x {streams} streams, {'TLS' if tls else 'plaintext'}"
        cost = {name: [r["us"]["server"] for r in rounds] for name, rounds in results.items()}
        rows = []
        for name, rounds in results.items():
            rows.append([
                name, spread((r["rate"] for r in rounds), 0), spread(cost[name]),
                spread(r["us"]["client"] for r in rounds),
                spread(r["latency_us"]["p50"] for r in rounds),
                spread(r["latency_us"]["p99"] for r in rounds),
                spread(ratios(cost["nghttpd, 2 frames"], cost[name]), 2),
                spread(ratios(cost["C++ gRPC echo"], cost[name]), 2)])
        print(f"\n{title}; median (range) of {options.pairs}\n")
        print(bench.table(
            ["server", "calls/s", "server µs/call", "client µs/call", "p50 µs", "p99 µs",
             "x nghttpd, per core", "x C++ gRPC, per core"], rows), flush=True)
        for kind in ("inline", "pending", "task"):
            ours = cost[f"consentd wire, {kind}"]
            summary.append([title, kind, spread(ratios(cost["nghttpd, 2 frames"], ours), 2), "0.75",
                            spread(ratios(cost["C++ gRPC echo"], ours), 2), "4"])
    print("\nPer core (server CPU per call of the other, over ours)\n")
    print(bench.table(["row", "handler", "x nghttpd", "target", "x C++ gRPC", "target"], summary))


def idle(folder, options):
    """Memory of an idle connection: the slope of resident memory from 1,000 to 5,000."""
    rows = []
    for name in ("consentd wire, inline", "nghttpd, 3 frames", "C++ gRPC echo"):
        for tls in (False, True):
            for each in (0, 130):
                command, of_load = commands(folder, tls)[name]
                with Server(command, of_load["port"]) as server, contextlib.ExitStack() as held:
                    def open_more(count):
                        more = bench.Held(connections=count, streams=1, calls_each=each,
                                          tls=int(tls), **of_load)
                        held.callback(more.close)
                        return server.resident()
                    first = open_more(options.idle // 5)
                    second = open_more(options.idle - options.idle // 5)
                slope = (second - first) / (options.idle - options.idle // 5) / 1000
                say(f"{name}, {'TLS' if tls else 'plaintext'}, {each} calls: {slope:.1f} KB")
                rows.append([name, "TLS" if tls else "plaintext", each, f"{slope:.1f}", "60"])
    print(f"\nIdle connection, KB: slope of resident memory up to {options.idle} connections\n")
    print(bench.table(["server", "", "calls made on it", "KB", "target"], rows), flush=True)


def main():
    parser = argparse.ArgumentParser(prog="ops/bench wire")
    parser.add_argument("--pairs", type=int, default=5, help="rounds; the order turns each time")
    parser.add_argument("--seconds", type=float, default=2, help="of each run")
    parser.add_argument("--idle", type=int, default=5_000, help="idle connections; 0: leave out")
    parser.add_argument("--only-idle", action="store_true")
    parser.add_argument("--rows", help="numbers of the rows to run, from 0, such as 1,4")
    options = parser.parse_args()
    if len(CORES) < 2:
        raise SystemExit("the wire benchmark needs two cores: one for the server, one for the load")
    if options.rows:
        ROWS[:] = [ROWS[int(n)] for n in options.rows.split(",")]
    bench.prepare()
    folder = bench.scratch()
    try:
        prepare(folder)
        say(bench.machine())
        if not options.only_idle:
            calls(folder, options)
        if options.idle:
            idle(folder, options)
    finally:
        bench.remove(folder)


if __name__ == "__main__":
    main()
