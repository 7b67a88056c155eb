"""What consentd is measured beside: C++ services, COPY, and how it is looked at from outside."""

import pathlib
import os
import re
import subprocess
import time

import bench_common as bench
from bench_common import BUILD, Server, free_port, load

TICK = os.sysconf("SC_CLK_TCK")
GRPC_SWIFT = BUILD / "grpc-swift" / "release" / "bench-grpc-swift"
# Beyond it the peer is not measured: making its tables would take longer than all the rest.
MOST_IMAGES = 1_000_000
KEY = "1.2.826.0.1.3680043.10.9999.1000000000"


def varint(number):
    out = b""
    while True:
        byte, number = number & 0x7F, number >> 7
        out += bytes([byte | 0x80 if number else byte])
        if not number:
            return out


def echo(node, threads, request_bytes, reply_bytes, shape):
    """C++ gRPC echo with requests and answers of the size of ours."""
    return _echo(node, [BUILD / "bench-echo", free := free_port(), threads], free, request_bytes,
                 reply_bytes, shape)


def swift_echo(node, request_bytes, reply_bytes, shape):
    """The same of grpc-swift-2, an event loop for each core."""
    return _echo(node, [GRPC_SWIFT, free := free_port(), reply_bytes], free, request_bytes,
                 reply_bytes, shape)


def _echo(node, command, free, request_bytes, reply_bytes, shape):
    text = KEY.encode() + b"." * 400
    def message(length):
        pad = max(0, reply_bytes - length - 6)
        return b"\x0a" + varint(length) + text[:length] + b"\x10" + varint(pad)
    length = request_bytes
    while len(message(length)) > request_bytes:
        length -= 1
    (node.folder / "echo").write_bytes(message(length))
    with Server(command, free) as server:
        result = load(port=free, path="/wire.echo.v1.EchoService/Unary", body=node.folder / "echo",
                      cpu=f"server:{server.pid}", **shape)
    answer = result["answer_bytes"] / max(1, result["calls"]) - 5
    assert abs(answer - reply_bytes) < 12, f"the echo answers {answer} bytes, not {reply_bytes}"
    return result


def prepare_database(node):
    """The peer's own database in the same cluster, with the same images."""
    if node.sql("SELECT count(*) FROM pg_database WHERE datname = 'peer'") == "1":
        return
    node.sql("CREATE DATABASE peer")
    node.sql("""
        CREATE TABLE image (image_key text COLLATE "C" PRIMARY KEY,
                            patient_id uuid NOT NULL, effect smallint NOT NULL,
                            reason smallint NOT NULL);
        CREATE TABLE decision (decision_id uuid PRIMARY KEY, decided_at timestamptz NOT NULL,
                               image_key text NOT NULL, effect smallint NOT NULL,
                               record bytea NOT NULL);
        CREATE TABLE keys (image_key text, effect smallint);""", "peer")
    if node.images > MOST_IMAGES:
        return
    # Unknown images have no row, for the peer as for us.
    node.sql(f"\\copy keys FROM '{node.keys}' WITH (FORMAT text, DELIMITER ' ')\n"
             "INSERT INTO image SELECT image_key, gen_random_uuid(), effect, "
             "CASE effect WHEN 1 THEN 16 ELSE 44 END FROM keys "
             "WHERE image_key NOT LIKE '%.2_________';\n"
             "DROP TABLE keys; VACUUM ANALYZE image; CHECKPOINT;", "peer")


def select_insert(node, connections, shape):
    port = free_port()
    with Server([BUILD / "bench-check-peer", port, connections], port,
                env={"PEER_DATABASE": node.conninfo("peer")}) as server:
        return load(port=port, path="/consent.v1.CheckService/Check", body=node.folder / "body",
                    keys=node.keys, key_offset=node.offset, expect_number="1.1",
                    cpu=[f"server:{server.pid}", f"postgres:{node.postmaster}"], **shape)


def tree_seconds(root):
    """CPU seconds of a process and everything below it, ended children included."""
    times, parents = {}, {}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        parents[int(entry.name)] = int(fields[1])
        times[int(entry.name)] = sum(int(t) for t in fields[11:15])
    total = 0
    for pid in times:
        at = pid
        while at > 1 and at != root:
            at = parents.get(at, 0)
        total += times[pid] if at == root else 0
    return total / TICK


def wait_quiet(node, limit=120):
    """Until every logged decision is looked up and PostgreSQL does next to nothing."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        behind = sum(float(value) for name, value in node.metrics().items()
                     if name.startswith("consentd_lookup_behind_decisions"))
        before = tree_seconds(node.postmaster)
        time.sleep(1)
        if behind == 0 and tree_seconds(node.postmaster) - before < 0.03:
            return
    raise SystemExit("the work behind the answers does not end: its cost cannot be counted")


def batch_table(node):
    """Where this version keeps its batches: packed, or with a row for each decision beside them."""
    found = node.sql("SELECT to_regclass('consentd.proof_log_batch') IS NOT NULL")
    return "proof_log_batch" if found == "t" else "decision_log_batch"


def record_bytes(node):
    """Mean size of one decision's record."""
    if batch_table(node) != "proof_log_batch":
        return int(float(node.sql("SELECT avg(octet_length(record)) FROM "
                                  "(SELECT record FROM consentd.decision_log LIMIT 10000) r")))
    size = decisions = 0
    for row in node.sql("SELECT encode(substr(records, 1, 6), 'hex'), octet_length(records), count "
                        "FROM consentd.proof_log_batch WHERE count > 0").split():
        start, stored, count = row.split("|")
        start, count = bytes.fromhex(start), int(count)
        decisions += count
        if start[0] != 0x81:
            size += int(stored) - 4 * count
            continue
        # Told by their differences (DeltaForm): the size of the records themselves is in front.
        for place, byte in enumerate(start[1:]):
            size += (byte & 0x7F) << 7 * place
            if byte < 0x80:
                break
    return size // decisions


def copy_rows(node, count):
    """PostgreSQL's CPU, µs a row, of COPY in binary form of decision rows, without an index."""
    record = record_bytes(node)
    made = node.folder / "rows"
    if not made.exists():
        node.sql("CREATE TABLE row_copy (organization_id uuid NOT NULL, log_id uuid NOT NULL, "
                 "leaf bigint NOT NULL, position bigint NOT NULL, decided_at timestamptz NOT NULL, "
                 "record bytea NOT NULL)", "peer")
        node.sql("\\copy (SELECT gen_random_uuid(), gen_random_uuid(), n::bigint, n::bigint, now(), "
                 f"substring(decode(repeat(md5(n::text), {record // 16 + 1}), 'hex') FOR {record}) "
                 f"FROM generate_series(1, {count}) n) TO '{made}' WITH (FORMAT binary)", "peer")
    before = tree_seconds(node.postmaster)
    node.sql(f"BEGIN; TRUNCATE row_copy;\n\\copy row_copy FROM '{made}' WITH (FORMAT binary)\nCOMMIT;",
             "peer")
    return (tree_seconds(node.postmaster) - before) / count * 1e6


def copy_out_seconds(node):
    """How long `\\copy … binary` takes for the rows that an index is filled from."""
    began = time.monotonic()
    for table in ("image_version", "patient_version", "instrument", "consent_grant"):
        node.sql(f"\\copy consentd.{table} TO '/dev/null' WITH (FORMAT binary)")
    return time.monotonic() - began
