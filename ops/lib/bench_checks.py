"""Checks below the wire on a copy of a register: bench-checks with what `ops/bench checks` says."""

import argparse
import subprocess

import bench_common as bench
from bench_common import RELEASE
from bench_node import register

parser = argparse.ArgumentParser(prog="ops/bench checks")
parser.add_argument("--images", type=int, default=10_000)
parser.add_argument("--seconds", type=int, default=5, help="of each round")
parser.add_argument("--flight", type=int, default=256, help="questions at the same time")
parser.add_argument("--rounds", type=int, default=3)
options = parser.parse_args()

made = register(options.images)
folder = bench.scratch()
subprocess.run(["cp", "-a", "--reflink=auto", made / "pg", folder / "pg"], check=True)
subprocess.run([RELEASE / "bench-checks", folder / "pg", made / "keys",
                "--seconds", str(options.seconds), "--flight", str(options.flight),
                "--rounds", str(options.rounds)], check=True)
bench.remove(folder)
