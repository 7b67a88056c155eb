"""What the benchmarks share: servers, the load client, interleaved runs, tables."""

import json
import os
import pathlib
import platform
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / ".build-bench"
RELEASE = ROOT / ".build-release" / "release"
CORES = sorted(os.sched_getaffinity(0))


def say(text):
    print(text, file=sys.stderr, flush=True)


def prepare():
    """Ends what was started also when it is told to stop, and allows thousands of connections."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def scratch():
    """A folder that the database's user can enter, removed by the caller."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="consentd-bench-", dir="/var/tmp"))
    folder.chmod(0o755)
    return folder


class Server:
    """A server process on one core (`core`) or on all of them; ended by its own id."""

    def __init__(self, command, port, core=None, env=None):
        self.port = port
        pinned = ["taskset", "-c", str(core)] if core is not None else []
        self.process = subprocess.Popen(
            [*pinned, *map(str, command)], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            stderr=sys.stderr if os.environ.get("BENCH_VERBOSE") else subprocess.DEVNULL,
            env={**os.environ, **(env or {})})
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"{command[0]} does not listen")
                time.sleep(0.02)

    @property
    def pid(self):
        return self.process.pid

    def resident(self):
        """Resident memory, bytes."""
        return resident(self.pid)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def resident(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise SystemExit(f"process {pid} has no memory")


def arguments(options):
    """Options of the load client (ops/bench-peers/load/options.h); a list repeats its name."""
    for name, value in options.items():
        for each in value if isinstance(value, list) else [value]:
            yield f"{name.replace('_', '-')}={each}"


def load(core=None, may_fail=False, **options):
    """One run of the load client. Every wrong, failed or missing answer ends the benchmark."""
    pinned = ["taskset", "-c", str(core)] if core is not None else []
    done = subprocess.run([*pinned, str(BUILD / "bench-load"), *arguments(options)],
                          capture_output=True, text=True, timeout=600)
    if done.returncode not in (0, 1) or not done.stdout:
        raise SystemExit(f"the load client failed: {done.stderr}")
    result = json.loads(done.stdout)
    if result["failures"] and not may_fail:
        raise SystemExit(f"wrong or failed answers: {result['failures']}")
    calls = max(1, result["calls"])
    result["us"] = {who: s / calls * 1e6 for who, s in result["cpu_seconds"].items()}
    return result


class Held:
    """Connections that are open and do nothing, after some calls each."""

    def __init__(self, **options):
        self.process = subprocess.Popen(
            [str(BUILD / "bench-load"), "hold=1", *arguments(options)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("the connections could not be opened")

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)


def interleave(contestants, pairs):
    """Runs each contestant `pairs` times: A B C, C B A, A B C, … so that a machine that grows
    slower or faster meanwhile favours nobody. Name to list of results, in the order of rounds."""
    results = {name: [] for name in contestants}
    for number in range(pairs):
        names = list(contestants)
        for name in names if number % 2 == 0 else reversed(names):
            results[name].append(contestants[name]())
    return results


def spread(values, digits=1):
    """Median and range."""
    values = list(values)
    if not values:
        return "-"
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{middle:,.{digits}f} ({low:,.{digits}f}-{high:,.{digits}f})"


def ratios(over, under):
    """The ratio of each round."""
    return [a / b for a, b in zip(over, under) if a and b]


def machine():
    name = platform.processor() or platform.machine()
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            name = line.split(":", 1)[1].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{len(CORES)} cores of {name}, {memory:.0f} GiB, Linux {platform.release()}"


def table(header, rows):
    """A Markdown table that also reads well as plain text."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(r[i]) for r in [header, *rows]) for i in range(len(header))]
    line = lambda cells: "| " + " | ".join(c.ljust(w) for c, w in zip(cells, widths)) + " |"
    return "\n".join([line(header), "|" + "|".join("-" * (w + 2) for w in widths) + "|",
                      *map(line, rows)])


def field(number, wire_type, payload):
    """One protobuf field; small enough messages only."""
    head = bytes([number << 3 | wire_type])
    return head + (bytes([len(payload)]) + payload if wire_type == 2 else payload)


def remove(folder):
    shutil.rmtree(folder, ignore_errors=True)
