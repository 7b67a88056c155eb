"""The whole answer: coherent, durably logged, over gRPC, beside what others do with less.

Each row has a number, a target, what it reaches for beyond it, and what was measured, in this run,
on this machine. The rows are those of the project's list of measures; --table writes them to
ops/bench-results.md.
"""

import argparse
import datetime
import json
import math
import statistics
import subprocess
import time
import uuid

import bench_coherence
import bench_common as bench
import bench_peers as peers
import bench_wire
from bench_common import load, ratios, say, spread
from bench_node import Node, desk

OUT = bench.ROOT / "ops" / "bench-results.md"
# What each row reaches for: as text, the number its value is judged against, and why it is not there
# yet. A row that adds its own judgement (P8) has no number here.
REACH = {
    "P1": ("1.0x", 1.0, "gRPC answers with three frames where a file takes two, which costs nghttpd "
           "itself about a sixth (`ops/bench wire`); the rest is the call's own state"),
    "P2": ("3x", 3, "a check is also authenticated, decoded, decided, hashed, written and "
           "committed; the echo only copies"),
    "P3": ("20x", 20, "the peer's cost is PostgreSQL's for two statements; ours is what P2 says"),
    "P4": ("20x", 20, "what P2 says"),
    "P5": ("0.97x", 0.97, "a batch that a change made stale is decided and sent a second time"),
    "P6": ("1.2x", 1.2, "look-up rows and their indexes are counted, COPY has neither"),
    "P7": ("2x", 2, "a question waits for the batch in flight and for its own"),
    "P8": ("40 B an image + 32 B a grant", None, ""),
    "P9": ("1.1x", 1.1, "rows are decoded into facts and indexed, \\copy only moves them"),
    "P15": ("200 ms", 0.2, "the process starts, asks the database and begins a log"),
    "P16": ("1.5x", 1.5, "a change takes the organization's lock and several round trips"),
    "P17": ("200 B", 200, "look-up rows and their indexes are counted"),
}


class Results:
    """Rows of the table, and the details printed on the way."""

    def __init__(self):
        self.rows = []
        self.details = []
        self.short = {}

    def add(self, number, measure, images, target, result, value=None, limit=None, least=True):
        """`value` is judged against `limit`: at least, or at most."""
        def judged(against):
            return "" if value is None or against is None else \
                "met" if (value >= against if least else value <= against) else "short"

        met = judged(limit)
        text, number_reached_for, why = REACH.get(number, ("", None, ""))
        reached = judged(number_reached_for)
        if reached == "short" and why:
            self.short[number] = why
        self.rows.append([number, measure, f"{images:,}" if images else "-", target, result, met,
                          text, reached])
        say(f"  {number} {measure}: {result} (target {target}) {met}; reach {text} {reached}")

    def detail(self, title, header, rows):
        self.details.append((title, bench.table(header, rows)))
        print(f"\n{title}\n\n{self.details[-1][1]}", flush=True)

    def text(self, options):
        in_order = sorted(self.rows, key=lambda row: int(row[0][1:]))
        rows = bench.table(["#", "measure", "images", "target", "result", "", "reach for", ""],
                           in_order)
        why = "".join(f"- {number}: {text}.\n" for number, text in sorted(
            self.short.items(), key=lambda entry: int(entry[0][1:])))
        if why:
            rows += f"\n\nShort of what is reached for, and why:\n\n{why.rstrip()}"
        details = "\n\n".join(f"{title}\n\n{text}" for title, text in self.details)
        return (f"# What was measured\n\n{datetime.datetime.now():%Y-%m-%d}, {bench.machine()}; "
                f"load client, server and PostgreSQL share the cores. {options.connections} "
                f"connections x {options.streams} streams, {options.pairs} rounds, median (range). "
                "Made by `ops/bench ledger --table`; ratios are between neighbours of one run.\n\n"
                f"{rows}\n\n{details}\n")


def cost_rows(results):
    return [[name, spread((r["rate"] for r in rounds), 0),
             *(spread(r["us"][who] for r in rounds if who in r["us"])
               for who in ("server", "postgres", "client")),
             *(spread((r["latency_us"][p] for r in rounds), 0) for p in ("p50", "p99", "p999"))]
            for name, rounds in results.items()]


COSTS = ["server", "calls/s", "server µs/call", "PostgreSQL µs/call", "client µs/call", "p50 µs",
         "p99 µs", "p99.9 µs"]


def throughput(node, options, out):
    """P2, P3: checks of random images, each answer compared with the register, beside the peers."""
    shape = dict(connections=options.connections, streams=options.streams, seconds=options.seconds,
                 warmup=1)
    size = node.answer_bytes
    contestants = {
        "consentd, uniform": lambda: node.load(**shape),
        "consentd, Zipf 0.99": lambda: node.load(**shape, zipf=0.99),
    }
    for threads in (1, 2):
        contestants[f"C++ gRPC echo, {threads} thread{'s' * (threads > 1)}"] = \
            lambda threads=threads: peers.echo(node, threads, len(node.body), size, shape)
    if options.all:
        contestants["grpc-swift-2 echo, 2 loops"] = \
            lambda: peers.swift_echo(node, len(node.body), size, shape)
    has_peer = not options.no_peer and node.images <= peers.MOST_IMAGES
    if has_peer:
        peers.prepare_database(node)
        for connections in (1, 4, 16, 32):
            contestants[f"C++ gRPC + libpq, {connections} connections"] = \
                lambda connections=connections: peers.select_insert(node, connections, shape)
    results = bench.interleave(contestants, options.pairs)
    out.detail(f"{node.images:,} images; requests of {len(node.body)} bytes, answers of {size}",
               COSTS, cost_rows(results))

    rate = {name: [r["rate"] for r in rounds] for name, rounds in results.items()}
    def best(prefix):
        return max((n for n in rate if n.startswith(prefix)),
                   key=lambda n: statistics.median(rate[n]))
    ours = rate["consentd, uniform"]
    echo = best("C++ gRPC echo")
    against = ratios(ours, rate[echo])
    out.add("P2", f"calls/s, full answer vs {echo}", node.images, "1.5x", spread(against, 2) + "x",
            statistics.median(against), 1.5)
    if has_peer:
        other = best("C++ gRPC + libpq")
        against = ratios(ours, rate[other])
        out.add("P3", f"calls/s, full answer vs {other}", node.images, "10x",
                spread(against, 1) + "x", statistics.median(against), 10)
    if options.all:
        against = ratios(ours, rate["grpc-swift-2 echo, 2 loops"])
        out.add("P4", "calls/s, full answer vs grpc-swift-2 echo, 2 loops", node.images, "10x",
                spread(against, 1) + "x", statistics.median(against), 10)
    return statistics.median(ours)


def wire(options, out):
    """P1, of the wire alone: a call that is answered without a log, one core for the server."""
    if len(bench.CORES) < 2:
        return
    page = "nghttpd, 2 frames"
    folder = bench.scratch()
    try:
        bench_wire.prepare(folder)
        results = bench_wire.compare(
            folder, options, 8, 32, False,
            [page, "consentd wire, inline", "consentd wire, pending"])
    finally:
        bench.remove(folder)
    cost = {name: [r["us"]["server"] for r in rounds] for name, rounds in results.items()}
    for kind, how in (("inline", "on the loop"), ("pending", "by another thread, as a check is")):
        against = ratios(cost[page], cost[f"consentd wire, {kind}"])
        out.add("P1", f"server CPU a call, nghttpd's static file vs an unlogged echo answered {how}",
                0, "0.75x", spread(against, 2) + "x", statistics.median(against), 0.75)


def decisions(node):
    """How many decisions the log holds, in how many batches."""
    count, batches = node.sql(
        f"SELECT coalesce(sum(count), 0), count(*) FROM consentd.{peers.batch_table(node)} "
        "WHERE count > 0").split("|")
    return int(count), int(batches)


def log_size(node):
    """Bytes of the decision log's tables, look-up tables and indexes."""
    return int(node.sql(
        "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0) FROM pg_class c "
        "WHERE c.relnamespace = 'consentd'::regnamespace AND c.relkind = 'r' "
        "AND c.relname SIMILAR TO '(decision|proof)\\_%'"))


def log_cost(node, options, out):
    """P6, P17: PostgreSQL's CPU, disk and WAL for each decision, look-up indexes included.

    COPY writes its rows in one command, a batch has a commit of its own: so what a decision costs
    depends on how many are asked at once, and is told for four times as many as well.
    """
    peers.prepare_database(node)
    measured = log_load(node, options, options.streams, out)
    log_load(node, options, 4 * options.streams, None, out)
    return measured


def log_load(node, options, streams, out, of_cpu=None):
    """Decisions a batch, bytes of disk a decision. Without `out` only the CPU is told."""
    node.sql("CHECKPOINT")
    before, batches_before = decisions(node)
    size, wal = log_size(node), node.sql("SELECT pg_current_wal_insert_lsn()")
    cpu = peers.tree_seconds(node.postmaster)
    run = node.load(connections=options.connections, streams=streams,
                    seconds=options.seconds * 2, warmup=0.5)
    # Look-up indexes are built behind the answers: their work is waited for and counted.
    peers.wait_quiet(node)
    cpu = peers.tree_seconds(node.postmaster) - cpu
    after, batches = decisions(node)
    made = after - before
    wal = int(node.sql(f"SELECT pg_current_wal_insert_lsn() - '{wal}'::pg_lsn"))
    disk = (log_size(node) - size) / made
    batch = made / max(1, batches - batches_before)
    copies = [peers.copy_rows(node, options.copy_rows) for _ in range(options.pairs)]
    ours = cpu / made * 1e6
    against = [ours / c for c in copies]
    (out or of_cpu).add(
        "P6", f"PostgreSQL CPU a decision ({ours:.1f} µs; {options.connections} x {streams} in "
        f"flight, {batch:.0f} a batch) vs binary COPY of the same rows ({spread(copies, 2)} µs)",
        node.images, "2x", spread(against, 2) + "x", statistics.median(against), 2, least=False)
    assert made >= run["calls"], "answers that are not in the log"
    if not out:
        return batch, disk
    out.add("P17", "disk a decision", node.images, "400 B", f"{disk:.0f} B", disk, 400, least=False)
    out.add("P17", "WAL a decision (full page images included)", node.images, "400 B",
            f"{wal / made:.0f} B", wal / made, 400, least=False)
    return batch, disk


def sustained_rate(node, options, capacity):
    """The highest of some rates at which questions that come one by one are answered as they come.

    Below what as many as are in flight get by asking again at once: a question on its own costs the
    client and both loops a turn, and these share the cores.
    """
    for share in (1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3):
        rate = capacity * share
        run = node.load(connections=options.connections, streams=options.streams,
                        seconds=options.seconds, warmup=1, rate=rate)
        latency = run["latency_us"]
        if latency["count"] > 0.98 * rate * options.seconds and latency["p99"] < 100_000:
            return rate
    return capacity * 0.2


def latency(node, options, out, capacity, batch, bytes_each):
    """P7: latency at fixed rates, counted from the scheduled time, beside a committed append."""
    rows = []
    capacity = sustained_rate(node, options, capacity)
    for share in (0.5, 0.7, 0.9):
        append = node.append(max(1, round(batch * bytes_each)), options.seconds + 1, 50)
        run = node.load(connections=options.connections, streams=options.streams,
                        seconds=options.seconds, warmup=1, rate=capacity * share)
        beside = json.loads(append.communicate(timeout=60)[0])
        of_load = run["latency_us"]
        # Far fewer answers than were due: what there is says nothing of the rest.
        sustained = of_load["count"] > 0.95 * capacity * share * (options.seconds - 0.1)
        rows.append([f"{share:.0%}", f"{run['rate']:,.0f}", *(f"{of_load[p]:,.0f}" for p in
                     ("p50", "p99", "p999")), f"{beside['p50']:,.0f}", f"{beside['p99']:,.0f}",
                     "" if sustained else "not sustained"])
        if share == 0.7 and not sustained:
            out.add("P7", "p99 at 70 % load: the rate was not sustained in this run", node.images,
                    "3x", "-", math.inf, 3, least=False)
        elif share == 0.7:
            against = of_load["p99"] / beside["p99"]
            out.add("P7", f"p99 at 70 % load ({of_load['p99'] / 1e3:.1f} ms) vs p99 of a committed "
                    f"append of {batch:.0f} decisions' bytes beside it "
                    f"({beside['p99'] / 1e3:.1f} ms)", node.images, "3x", f"{against:.2f}x", against,
                    3, least=False)
    out.detail(f"{node.images:,} images; latency at fixed rates; sustained: {capacity:,.0f} calls/s", [
        "of what is sustained", "calls/s", "p50 µs", "p99 µs", "p99.9 µs", "append p50 µs",
        "append p99 µs", ""], rows)


def start(node, options, out):
    """P9, P15: from start, and from kill -9, to the first correct answer."""
    copies = [peers.copy_out_seconds(node) for _ in range(3)]
    loads, kills = [], []
    for _ in range(options.pairs):
        node.kill()
        kills.append(node.start())
        loads.append(node.index_seconds())
    loads = [seconds for seconds in loads if seconds is not None]
    if loads:
        against = [seconds / statistics.median(copies) for seconds in loads]
        part = ", in part: its limit is lower" if node.index_is_partial else ""
        out.add("P9", f"index loaded{part} ({spread(loads, 2)} s) vs \\copy of the same rows "
                f"({spread(copies, 2)} s)", node.images, "2x", spread(against, 2) + "x",
                statistics.median(against), 2, least=False)
    else:
        out.add("P9", "start: no index to load in this version; \\copy of the same rows takes "
                f"{spread(copies, 2)} s", node.images, "2x", "-")
    out.add("P15", "kill -9 to first correct answer, database running", node.images, "1 s",
            spread((k * 1e3 for k in kills), 0) + " ms", statistics.median(kills), 1, least=False)


def revocations(node, options, out):
    """P16: each revocation is of a permitted image, and the next check of it must deny."""
    from desk import instrument, records, v

    peers.prepare_database(node)
    lines = iter((node.register / "patients").read_text().splitlines())
    taken, single = [], []
    for _ in range(options.pairs):
        requests = b""
        for _, line in zip(range(options.revocations // options.pairs), lines):
            patient, grant, uid = line.replace("dicom:", "").split()
            today = datetime.datetime.now(datetime.timezone.utc)
            request = records.RevokeRequest(
                patient_id=patient,
                second_identifier=desk.patient.SecondIdentifier(birth_date=desk.day("1970-05-05")),
                grants=records.GrantList(grant_ids=[grant]), method=v.REVOCATION_METHOD_WRITTEN,
                signer=instrument.Signer(capacity=v.SIGNER_CAPACITY_INDIVIDUAL),
                signed=desk.signed((today - datetime.timedelta(days=1)).date().isoformat()),
                received_at=desk.instant((today - datetime.timedelta(seconds=5)).isoformat()),
                idempotency_key=str(uuid.uuid4()))
            for message in request.SerializeToString(), node.request(uid):
                requests += len(message).to_bytes(4, "big") + message
        (node.folder / "revocations").write_bytes(requests)
        # Ends with an error if a check of what is revoked is not denied.
        done = subprocess.run(
            [bench.RELEASE / "bench-writes", "wire", "--port", str(node.port), "--token",
             node.token, "--requests", node.folder / "revocations"],
            check=True, capture_output=True, text=True, timeout=300)
        taken += [microseconds / 1e3 for microseconds in json.loads(done.stdout)]
        append = node.append(500, 1, 0)
        single.append(json.loads(append.communicate(timeout=60)[0]))
    taken.sort()
    p99 = taken[min(len(taken) - 1, round(len(taken) * 0.99))]
    commit = statistics.median(s["p99"] for s in single) / 1e3
    out.add("P16", f"revocation acknowledged, idle: p50 {statistics.median(taken):.2f} ms, p99 "
            f"{p99:.2f} ms of {len(taken)} vs p99 of a one-row commit "
            f"{commit:.2f} ms", node.images, "2.5x", f"{p99 / commit:.2f}x", p99 / commit, 2.5,
            least=False)


def run_size(images, options, out):
    say(f"{images:,} images")
    node = Node(images)
    try:
        node.start()
        node.index_seconds()
        memory = bench.resident(node.process.pid)
        grants = int(node.sql("SELECT count(*) FROM consentd.consent_grant"))
        capacity = throughput(node, options, out)
        batch, disk = log_cost(node, options, out)
        latency(node, options, out, capacity, batch, disk)
        start(node, options, out)
        revocations(node, options, out)
        return memory, grants
    finally:
        node.destroy()


def slopes(memory, out):
    """P8: what memory grows by from one size of the register to the next."""
    sizes = sorted(memory)
    for small, large in zip(sizes, sizes[1:]):
        grown = memory[large][0] - memory[small][0]
        images, grants = large - small, memory[large][1] - memory[small][1]
        allowed = 64 * images + 64 * grants
        out.add("P8", f"resident memory {small:,} -> {large:,} images ({grants:,} more grants): "
                f"{grown / 2**20:.0f} MiB", large, "64 B an image + 64 B a grant",
                f"{grown / images:.0f} B an image, grants included (allowed {allowed / images:.0f})",
                grown, allowed, least=False)


def main():
    parser = argparse.ArgumentParser(prog="ops/bench ledger")
    parser.add_argument("--pairs", type=int, default=5, help="rounds; the order turns each time")
    parser.add_argument("--seconds", type=float, default=3, help="of each run")
    parser.add_argument("--images", default="10000,1000000", help="sizes of the register")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--streams", type=int, default=32)
    parser.add_argument("--revocations", type=int, default=200)
    parser.add_argument("--copy-rows", type=int, default=200_000)
    parser.add_argument("--no-peer", action="store_true", help="leave out C++ gRPC + libpq")
    parser.add_argument("--all", action="store_true", help="also P4 and P5: see ops/bench --help")
    parser.add_argument("--table", action="store_true", help="write ops/bench-results.md")
    options = parser.parse_args()
    bench.prepare()
    out, memory = Results(), {}
    wire(options, out)
    for images in (int(n) for n in options.images.split(",")):
        memory[images] = run_size(images, options, out)
        if options.all and len(memory) == 1:
            bench_coherence.measure(images, options, out)
        if options.table:  # what is measured is kept, should a larger size not come to its end
            OUT.write_text(out.text(options))
    slopes(memory, out)
    text = out.text(options)
    print("\n" + text)
    if options.table:
        OUT.write_text(text)
        say(f"wrote {OUT.relative_to(bench.ROOT)}")


main()
