"""A proxy between nodes and PostgreSQL that loses what a network and a dying server lose.

Usage: proxy.py SEED SERVER_SOCKET NODE_SOCKET...

One line of JSON on standard input sets the chances, for example {"reply": 0.01}:

  reply   the COMMIT is done, and its reply is lost with the connection
  before  the connection is lost just before the COMMIT reaches the server
  late    the connection is lost, and the COMMIT reaches the server a moment later
  stall   a message to the server stays on its way for a moment, with all behind it
  sync    the end of a pipeline stays on its way for a moment, after its COMMIT has arrived
  hold    once: of what a node sends while it has the organization's lock only the first message
          arrives, and the rest six seconds later; "held" then counts from 1 which node it was

An empty line is answered with the counts of what was done, as JSON.
"""

import asyncio
import collections
import json
import random
import sys

SYNC = b"S\x00\x00\x00\x04"
COMMITTED = b"C\x00\x00\x00\x0bCOMMIT\x00"
chances = collections.defaultdict(float)
counts = collections.Counter()
dice = random.Random()


def happens(what):
    if chances[what] and dice.random() < chances[what]:
        counts[what] += 1
        return True
    return False


class Session:
    """One connection of a node and the one to the server that belongs to it."""

    def __init__(self, number, node_reader, node_writer, server_reader, server_writer):
        self.number = number
        self.node_reader, self.node_writer = node_reader, node_writer
        self.server_reader, self.server_writer = server_reader, server_writer
        self.commits = set()  # names of prepared COMMITs
        self.locks = set()  # names of prepared locks of an organization
        self.has_lock = False
        self.buffer = bytearray()
        self.started = False
        self.lose_reply = False
        self.is_late = False

    async def run(self):
        tasks = [asyncio.create_task(self.to_server()), asyncio.create_task(self.to_node())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if self.is_late:
            await tasks[0]
        for task in tasks:
            task.cancel()
        for writer in (self.node_writer, self.server_writer):
            writer.close()

    async def to_node(self):
        while data := await self.server_reader.read(1 << 16):
            if self.is_late:
                continue  # nobody is there any more
            if self.lose_reply:
                at = data.find(COMMITTED)
                if at >= 0:
                    counts["reply"] += 1
                    return
            self.node_writer.write(data)
            await self.node_writer.drain()

    async def to_server(self):
        while data := await self.node_reader.read(1 << 16):
            self.buffer += data
            had_lock = self.has_lock
            whole, commit, first = self.messages()
            if not whole:
                continue
            if had_lock and self.has_lock and chances["hold"] and first < len(whole):
                chances["hold"] = 0
                counts["hold"] += 1
                counts["held"] = self.number + 1
                self.server_writer.write(whole[:first])
                await asyncio.sleep(6)
                whole, commit = whole[first:], None
            if commit is not None:
                if happens("before"):
                    self.server_writer.write(whole[:commit])
                    return
                if chances["reply"] and dice.random() < chances["reply"]:
                    self.lose_reply = True
                elif happens("late"):
                    return await self.arrive_late(whole, commit)
                elif whole.endswith(SYNC) and happens("sync"):
                    self.server_writer.write(whole[:-len(SYNC)])
                    await asyncio.sleep(0.3)
                    whole = SYNC
            if happens("stall"):
                self.server_writer.write(whole[:len(whole) // 2])
                await asyncio.sleep(dice.uniform(0.2, 1.5))
                whole = whole[len(whole) // 2:]
            self.server_writer.write(whole)
            await self.server_writer.drain()

    async def arrive_late(self, whole, commit):
        self.is_late = True
        self.server_writer.write(whole[:commit])
        self.node_writer.close()
        await asyncio.sleep(dice.uniform(0.05, 1.5))
        self.server_writer.write(whole[commit:])
        try:
            await self.server_writer.drain()
            await asyncio.sleep(0.1)  # pace: the server reads what is there before it sees the end
        except ConnectionError:
            pass

    def messages(self):
        """Whole messages to pass on, where in them a COMMIT begins, and where the first one ends
        (frontend protocol 3)."""
        at, commit, first = 0, None, 0
        while True:
            rest = len(self.buffer) - at
            if not self.started:
                if rest < 8:
                    break
                length = int.from_bytes(self.buffer[at:at + 4], "big")
                if rest < length:
                    break
                code = int.from_bytes(self.buffer[at + 4:at + 8], "big")
                self.started = code == 196608
                at += length
                continue
            if rest < 5:
                break
            length = 1 + int.from_bytes(self.buffer[at + 1:at + 5], "big")
            if rest < length:
                break
            if self.is_commit(self.buffer[at], at + 5, at + length):
                commit = at
                self.has_lock = False
            at += length
            first = first or at
        whole = bytes(self.buffer[:at])
        del self.buffer[:at]
        return whole, commit, first

    def is_commit(self, kind, start, end):
        if kind == 0x50:  # Parse: name, text
            name, text = bytes(self.buffer[start:end]).split(b"\0")[:2]
            if text.strip().upper() in (b"COMMIT", b"ROLLBACK"):
                self.commits.add(name)
            if b"FOR NO KEY UPDATE" in text:
                self.locks.add(name)
        elif kind == 0x42:  # Bind: portal, name
            middle = self.buffer.find(b"\0", start, end)
            last = self.buffer.find(b"\0", middle + 1, end)
            name = bytes(self.buffer[middle + 1:last])
            if name in self.locks:
                self.has_lock = True
            return name in self.commits
        elif kind == 0x51:  # Query
            return bytes(self.buffer[start:end]).strip(b"\0; ").upper() == b"COMMIT"
        return False


async def serve(number, node, server):
    async def accept(reader, writer):
        try:
            server_reader, server_writer = await asyncio.open_unix_connection(server)
        except OSError:
            return writer.close()
        try:
            await Session(number, reader, writer, server_reader, server_writer).run()
        except (ConnectionError, asyncio.CancelledError):
            pass

    await asyncio.start_unix_server(accept, node)


async def main(seed, server, nodes):
    dice.seed(seed)
    for number, node in enumerate(nodes):
        await serve(number, node, server)
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    print("{}", flush=True)
    while line := await commands.readline():
        if line.strip():
            chances.clear()
            chances.update(json.loads(line))
        print(json.dumps(counts), flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3:]))
