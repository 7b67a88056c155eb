"""A second reader of the decision log, written from its description: packed records (LogRecord,
version 2) and the RFC 6962 tree over them. Read from the table: through ListDecisions it takes
longer than the run to read them all."""

import dataclasses
import hashlib
import uuid


@dataclasses.dataclass(frozen=True)
class Entry:
    """What a record says."""
    permits: bool
    position: int
    chain: bytes
    image: str
    journal: str
    request: str


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        self.at += count
        assert self.at <= len(self.data), "a record ends too soon"
        return self.data[self.at - count:self.at]

    def number(self, size):
        return int.from_bytes(self.take(size), "big")

    def varint(self):
        value = shift = 0
        while True:
            byte = self.number(1)
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def text(self):
        return self.take(self.varint()).decode()

    def optional_text(self):
        count = self.varint()
        return self.take(count - 1).decode() if count else None

    def identifier(self):
        return self.text(), self.text()

    def identifiers(self):
        return [self.identifier() for _ in range(self.varint())]


def read(record):
    """-> (organization, log, leaf), Entry; no Entry for what is in an activity log"""
    r = Reader(record)
    version, kind = r.number(1), r.number(1)
    assert version == 2 and 1 <= kind <= 4, "a record of another version or kind"
    organization, log, leaf = uuid.UUID(bytes=r.take(16)), uuid.UUID(bytes=r.take(16)), r.number(8)
    if kind != 1:
        return (str(organization), str(log), leaf), None
    position, chain = r.number(8), r.take(32)
    r.take(8 + 8)  # known, position of the last change of facts
    r.text()  # caller
    r.take(4 + 4 + 4 + 1)  # what the caller is limited to
    assert r.number(1) == 1  # an image by its UID
    image = r.text()
    r.take(3)  # use, audience, channel
    request = journal = None
    if r.number(1):
        request = r.identifier()[1]
        r.take(1)
        r.optional_text()
        r.take(1)
        r.identifiers()
    if r.number(1):
        r.take(1)
        if r.number(1):
            journal = r.identifier()[1]
        r.optional_text(), r.optional_text()
        r.identifiers()
    r.take(1)  # intent
    if r.number(1):
        r.take(16)  # patient
    for _ in range(4):
        r.optional_text()
    assert r.number(1) == 0  # no emergency
    return (str(organization), str(log), leaf), Entry(
        r.number(1) == 1, position, chain, image, journal, request)


class Tree:
    """RFC 6962, section 2.1, with what is needed to go on: the roots of the full subtrees."""

    def __init__(self):
        self.size, self.roots = 0, []

    def append(self, record):
        node = hashlib.sha256(b"\0" + record).digest()
        size = self.size
        while size & 1:
            node = hashlib.sha256(b"\1" + self.roots.pop() + node).digest()
            size >>= 1
        self.roots.append(node)
        self.size += 1

    def root(self):
        if not self.roots:
            return hashlib.sha256(b"").digest()
        node = self.roots[-1]
        for left in reversed(self.roots[:-1]):
            node = hashlib.sha256(b"\1" + left + node).digest()
        return node


def undo_differences(packed, count):
    """Records told by what they have other than one before (DeltaForm), each in pieces."""
    r = Reader(packed)
    r.take(1)
    total, number = r.varint(), r.number(8)
    records, models, last = [], {}, ([], [])
    for _ in range(count):
        pieces, as_model = divmod(r.varint(), 2)
        alike = pieces in models
        assert alike or not as_model, "a record is told by a model that is not there"
        model, changes = models.get(pieces, last)
        if not as_model:
            bits = int.from_bytes(r.take((pieces + 3) // 4), "little")
            changes = [bits >> 2 * n & 3 for n in range(pieces)]
        own = []
        for n, change in enumerate(changes):
            other = model[n] if n < len(model) else own[-1] if own else b""
            if change == 0:
                own.append(other)
            elif change == 1:
                own.append(r.take(len(other)))
            else:
                front = r.varint()
                back = r.varint() if change == 3 else None
                middle = r.take(r.varint())
                if change == 2:
                    back = len(other) - front - len(middle)
                assert 0 <= front and 0 <= back and front + back <= len(other), "a wrong change"
                own.append(other[:front] + middle + other[len(other) - back:])
        records.append(own[0] + number.to_bytes(8, "big") + b"".join(own[1:]))
        number += 1
        last = models[pieces] = own, changes
    assert r.at == len(packed) and sum(map(len, records)) == total, "a batch ends elsewhere"
    return records


def split(packed, count):
    if packed[:1] == b"\x81":
        return undo_differences(packed, count)
    records, r = [], Reader(packed)
    while r.at < len(packed):
        records.append(r.take(r.number(4)))
    assert len(records) == count, "a batch holds another number of records than it says"
    return records


def read_all(rows, organization):
    """-> decision id to Entry, and what is wrong with the logs themselves.

    `rows` are (log, first leaf, count, root, records) as the table holds them.
    """
    found, wrong, trees = {}, [], {}
    for log, first, count, root, packed in sorted(rows, key=lambda row: (row[0], int(row[1]))):
        first, count = int(first), int(count)
        if count == 0:
            continue  # claimed, to end the log
        tree = trees.setdefault(log, Tree())
        if tree.size != first:
            wrong.append(f"log {log} goes on at leaf {first} after {tree.size}")
            continue
        for leaf, record in enumerate(split(bytes.fromhex(packed), count), start=first):
            place, entry = read(record)
            if place != (organization, log, leaf):
                wrong.append(f"log {log} holds {place} at leaf {leaf}")
            if entry:
                found[f"{log}:{leaf}"] = entry
            tree.append(record)
        if tree.root().hex() != root:
            wrong.append(f"log {log} has another root at size {tree.size}")
    return found, wrong
