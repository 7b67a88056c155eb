"""What an attack costs an honest client on another connection, told apart from what the machine costs.

Three figures are taken in turn, by one honest client that calls one server all the time:

* calm: nothing else happens;
* control: the attack goes to a second server. Attacker, attacked server and honest client share the
  cores as they do in the attack, and nothing else, so this is the machine's own share;
* attacked: the attack goes to the honest client's own server.

Prints a table when run: WIRE_ECHO=... python abuse_measure.py [ATTACK...]
"""

import dataclasses
import json
import math
import pathlib
import subprocess
import sys
import time

MEMORY_BYTES = 64 << 20
# The wait that an attack may cause, over what there is without it on the same machine.
FACTOR = 3
# A p99 below this is good whatever it was before: one slice of a core that somebody else holds.
FLOOR_SECONDS = 0.002
ROUNDS = 2
WINDOW_SECONDS = 0.4
REST_SECONDS = 0.15


class Honest:
    """The process of honest.py."""

    def __init__(self, echo):
        script = pathlib.Path(__file__).parent / "honest.py"
        self.process = subprocess.Popen(
            [sys.executable, script, echo.host, str(echo.port)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout.readline() == "ready\n"

    def end(self):
        """Ends it whatever it did."""
        self.process.kill()
        self.process.communicate()

    def calls(self):
        """Ends it; (start, seconds) of every call."""
        out, _ = self.process.communicate(timeout=20)
        assert self.process.returncode == 0, "an honest call failed"
        return json.loads(out)


@dataclasses.dataclass
class Figures:
    """Seconds of the honest p99, and bytes."""

    calm: float
    control: float
    attacked: float
    worst: float
    growth: int

    @property
    def allowed(self):
        return max(FACTOR * max(self.calm, self.control), FLOOR_SECONDS)

    @property
    def is_harm(self):
        return self.attacked > self.allowed

    def __str__(self):
        calm, control, attacked, worst = (
            f"{s * 1000:.2f}" for s in (self.calm, self.control, self.attacked, self.worst)
        )
        return f"calm {calm}, control {control}, attacked {attacked} (worst {worst}) ms, +{self.growth >> 20} MiB"


def p99(times):
    times = sorted(times)
    assert times, "no honest call was made"
    return times[max(0, math.ceil(len(times) * 0.99) - 1)]


def within(calls, windows, whole):
    """Times of the calls that overlap one of the windows; `whole`: that lie in it, so that a wait
    that an attack left behind is not taken for the calm after it."""
    for since, until in windows:
        for began, took in calls:
            if (since <= began and began + took <= until) if whole else (began + took > since and began < until):
                yield took


def resident(echo, name):
    for line in pathlib.Path(f"/proc/{echo.process.pid}/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) << 10
    raise AssertionError(name)


def measure(echo, spare, run):
    """The figures of an attack on `echo`, with `spare` as the server of the control."""
    honest = Honest(echo)
    try:
        windows = {"calm": [], "control": [], "attacked": []}

        def window(name, act):
            began = time.monotonic()
            while time.monotonic() - began < WINDOW_SECONDS:
                act()
            windows[name].append((began, time.monotonic()))
            time.sleep(REST_SECONDS)

        time.sleep(REST_SECONDS)
        pathlib.Path(f"/proc/{echo.process.pid}/clear_refs").write_text("5")
        memory = resident(echo, "VmRSS")
        # In turns, so that a machine that grows slower meanwhile favours none of them.
        for _ in range(ROUNDS):
            window("calm", lambda: time.sleep(WINDOW_SECONDS))
            window("control", lambda: run(spare))
            window("attacked", lambda: run(echo))
        growth = resident(echo, "VmHWM") - memory
        calls = honest.calls()
    finally:
        honest.end()
    times = {name: list(within(calls, spans, name != "attacked")) for name, spans in windows.items()}
    return Figures(*(p99(times[n]) for n in times), max(times["attacked"]), growth)


def main(names):
    from abuse_attacks import ATTACKS
    from wire_support import Echo

    echo, spare = Echo(), Echo()
    try:
        for name in names or ATTACKS:
            figures = measure(echo, spare, ATTACKS[name])
            ratio = figures.attacked / max(figures.calm, figures.control)
            print(f"{name:28} {figures}, {ratio:.1f}x{'  HARM' if figures.is_harm else ''}", flush=True)
    finally:
        echo.stop()
        spare.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
