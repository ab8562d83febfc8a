"""What a command adds to the one database call that it makes, beside the same call in a bare loop in the same process.

    python -m benchmarks.db_call [DATABASE_URL ...]

Without URLs it runs on SQLite, and on a private PostgreSQL and MariaDB where their programs are installed. The plugin
msanic-notes has to be installed, whose table is used.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msanic_notes
import uvloop
from msanic_notes.models import Person
from websockets.asyncio.client import ClientConnection

from benchmarks.split_tables import servers
from msanic_core import Context, command, hookimpl
from msanic_core.testing import serving
from msanic_core.testing.fixtures import forget_dialects

GOAL = 1.1
CALLS = 500
ROUNDS = 15
_ROWS = 100


@dataclass(frozen=True)
class Call:
    """A database call; the number says for which row."""

    title: str
    run: Callable[[int], Awaitable[Any]]


CALLS_MEASURED = [
    Call("a row by its key", lambda number: Person.get(id=number % _ROWS + 1)),
    Call("a change of a row", lambda number: Person.filter(id=number % _ROWS + 1).update(seen_reason=str(number))),
]


@dataclass(frozen=True)
class Found:
    """Median microseconds: of the call by itself, within a command, and of commands with and without it.

    `within`: the median of the ratios of the second to the first; `added`: of what the call makes a command longer, to
    the first. Commands wait in line: as soon as
    one is answered the next begins.
    """

    title: str
    bare: float
    inside: float
    with_call: float
    without: float
    within: float
    added: float


class Bench:
    """A plugin with a command that makes the call of the moment, and one that makes none.

    It notes when the first of a batch of commands began, when the last one ended, and the time spent in calls.
    """

    def __init__(self) -> None:
        self.call = CALLS_MEASURED[0]
        self.seconds = 0.0
        self._left = 0
        self._begun = 0.0
        self._done = asyncio.Event()
        self._ended = 0.0

        @command("bench.call")
        async def call(_: Context, data: int) -> int:
            begun = self._begin()
            await self.call.run(data)
            self.seconds += time.perf_counter() - begun
            self._end()
            return data

        @command("bench.none")
        async def none(_: Context, data: int) -> int:
            self._begin()
            self._end()
            return data

        self.plugin = SimpleNamespace(ws_command=hookimpl(ws_command(call, none)))

    async def run(self, client: ClientConnection, name: str, numbers: Sequence[int]) -> float:
        """Have these commands run, one after the other; seconds for each. The client does nothing meanwhile."""
        self.seconds, self._left, self._begun = 0.0, len(numbers), 0.0
        self._done.clear()
        client.transport.pause_reading()
        for number in numbers:
            await client.send(f'{{"cmd":"{name}","data":{number},"req":1}}')
        await self._done.wait()
        client.transport.resume_reading()
        answers = [json.loads(await client.recv())["data"] for _ in numbers]
        if answers != list(numbers):
            raise RuntimeError(f"{name} has answered {answers}")
        return (self._ended - self._begun) / len(numbers)

    def _begin(self) -> float:
        now = time.perf_counter()
        self._begun = self._begun or now
        return now

    def _end(self) -> None:
        self._left -= 1
        if not self._left:
            self._ended = time.perf_counter()
            self._done.set()


def ws_command(*commands: Any) -> Callable[[], list[Any]]:
    """Make the hook that declares these commands."""

    def ws_command() -> list[Any]:
        return list(commands)

    return ws_command


async def _bare(call: Call, numbers: Sequence[int]) -> float:
    begun = time.perf_counter()
    for number in numbers:
        await call.run(number)
    return (time.perf_counter() - begun) / len(numbers)


async def _round(bench: Bench, client: ClientConnection, call: Call, turn: int, calls: int) -> tuple[float, ...]:
    """Seconds of each for a call, in an order that changes from round to round."""
    numbers = range(turn * calls, (turn + 1) * calls)
    seconds: dict[str, float] = {}

    async def inside() -> None:
        seconds["with"] = await bench.run(client, "bench.call", numbers)
        seconds["inside"] = bench.seconds / calls

    async def bare() -> None:
        seconds["bare"] = await _bare(call, numbers)

    for measure in (bare, inside) if turn % 2 else (inside, bare):
        await measure()
    seconds["without"] = await bench.run(client, "bench.none", numbers)
    return seconds["bare"], seconds["inside"], seconds["with"], seconds["without"]


async def measure(url: str, calls: int = CALLS, rounds: int = ROUNDS) -> list[Found]:
    """Measure all calls on an empty database, in rounds of so many calls of each kind."""
    forget_dialects()
    bench = Bench()
    plugins = {"notes": msanic_notes, "bench": bench.plugin}
    found = []
    async with serving(plugins, {"db": {"url": url}, "ws": {"rate": 0}}) as server:
        with server.node.db.entered():
            await Person.bulk_create([Person(user=f"user {number}") for number in range(_ROWS)])
            async with await server.connect("ada", compression=None) as client:
                for call in CALLS_MEASURED:
                    bench.call = call
                    await _round(bench, client, call, 0, calls)
                    turns = [await _round(bench, client, call, turn, calls) for turn in range(1, rounds + 1)]
                    found.append(_found(call, turns))
    return found


def _found(call: Call, turns: Sequence[tuple[float, ...]]) -> Found:
    bare, inside, with_call, without = (statistics.median(each) * 1e6 for each in zip(*turns, strict=True))
    within = statistics.median(inside / bare for bare, inside, _, _ in turns)
    added = statistics.median((whole - none) / bare for bare, _, whole, none in turns)
    return Found(call.title, bare, inside, with_call, without, within, added)


def report(name: str, found: Sequence[Found]) -> str:
    """Write the figures of one database as a table."""
    lines = [
        f"### {name}",
        "",
        "| call | bare, µs | within a command, µs | ratio | command with it, µs | without, µs | difference to bare |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for each in found:
        marks = ["" if ratio < GOAL else f" (goal: {GOAL:g})" for ratio in (each.within, each.added)]
        lines.append(
            f"| {each.title} | {each.bare:.0f} | {each.inside:.0f} | {each.within:.3f}{marks[0]} "
            f"| {each.with_call:.0f} | {each.without:.0f} | {each.added:.3f}{marks[1]} |"
        )
    return "\n".join([*lines, ""])


async def _main(urls: Sequence[str], calls: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
        async with AsyncExitStack() as stack:
            named = {url: url for url in urls} or await stack.enter_async_context(servers(Path(directory)))
            for name, url in named.items():
                print(report(name, await measure(url, calls, rounds)), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("urls", nargs="*", metavar="DATABASE_URL", help="empty databases to run on")
    parser.add_argument("--calls", type=int, default=CALLS, help="of each kind in a round")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    # As the server's own processes do.
    uvloop.run(_main(arguments.urls, arguments.calls, arguments.rounds))
