"""What the clients of a run did and were told."""

import dataclasses
import threading

from linearizable import NEVER


@dataclasses.dataclass(frozen=True)
class Key:
    """One register: whether one journal may print the images of one patient."""
    patient: int
    journal: int


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """One decision that a client saw."""
    key: Key
    image: str
    permits: bool
    start: int
    end: int
    position: int
    chain: bytes
    decision: str
    # Tells the request from every other: its actor's name.
    request: str
    node: int


@dataclasses.dataclass(slots=True)
class Change:
    """A grant or a revocation. `end` is NEVER and `position` None while its reply is lost."""
    key: Key
    permits: bool
    start: int
    end: float = NEVER
    position: int | None = None
    chain: bytes = b""
    grant: str = ""
    node: int = -1


class History:
    """Appending is safe from many threads; reading is for when they pause."""

    def __init__(self):
        self.calls = 0  # about: it is counted without a lock
        self.answers = []
        self.changes = []
        self.events = []  # as Watch told them
        self.faults = []  # (instant, text)
        self.unexpected = []  # statuses that no fault explains

    def copy(self):
        other = History()
        other.calls = self.calls
        for name in ("answers", "events", "faults", "unexpected"):
            getattr(other, name).extend(getattr(self, name))
        other.changes = [dataclasses.replace(c) for c in self.changes]
        return other


class Gate:
    """Lets clients work, or holds them between two calls."""

    def __init__(self):
        self.condition = threading.Condition()
        self.is_open = True
        self.inside = 0
        self.ended = False

    def __enter__(self):
        with self.condition:
            self.condition.wait_for(lambda: self.is_open or self.ended)
            self.inside += 1

    def __exit__(self, *_):
        self.release()

    def hold(self):
        """For a call that outlasts the block it was begun in: it ends with `release`."""
        with self.condition:
            self.inside += 1

    def release(self):
        with self.condition:
            self.inside -= 1
            self.condition.notify_all()

    def close(self):
        """Returns when every client is between two calls."""
        with self.condition:
            self.is_open = False
            assert self.condition.wait_for(lambda: self.inside == 0, 120), "a client hangs"

    def open(self):
        with self.condition:
            self.is_open = True
            self.condition.notify_all()

    def end(self):
        with self.condition:
            self.ended = True
            self.condition.notify_all()
