"""What the measurements make of what the load generator finds, with a server that really answers."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.exchanges import Exchange
from benchmarks.scenarios import QUICK, Generator, Measurement, Values, measurements, subject_of
from benchmarks.servers import Server, free_port, running
from benchmarks.targets import Target
from tests.support.load import Load
from tests.support.programs import CORE, CORES, ECHOES, python

SIZES = replace(QUICK, seconds=0.2, warmup=0.05, held=100, hold_seconds=0.1, batch=20, batches=3, crowds=(10, 20, 30))
ECHO = Exchange(request=b"hello ########", reply=b"hello ########")

GROWS = """
import asyncio, os, sys
from websockets.asyncio.server import serve

async def hold(socket):
    memory = os.urandom(100 * 1024)
    async for message in socket:
        pass
    del memory

async def main():
    async with serve(hold, "127.0.0.1", int(sys.argv[1]), compression=None) as server:
        await server.serve_forever()

asyncio.run(main())
"""


@pytest.fixture
def echo() -> Iterator[Server]:
    port = free_port()
    with running(python(ECHOES, port), port, CORE) as server:
        yield server


@pytest.fixture
def generator(load: Load) -> Generator:
    return Generator(load.binary, Path(sys.executable), CORES)


def named(name: str) -> Measurement:
    (found,) = [each for each in measurements(SIZES) if each.name == name]
    return found


def check_rates(values: Values) -> None:
    assert set(values) == {"rate", "p50_us", "p99_us", "cpu_us", "busy", "others"}
    assert values["rate"] > 10
    assert 0 < values["p50_us"] <= values["p99_us"]
    # What is busy for a share of the time has so much of it for each: up to the ticks of the system's clock.
    assert values["busy"] == pytest.approx(values["cpu_us"] * values["rate"] / 1e6, rel=0.1)


@pytest.mark.parametrize("name", ["command-50x1", "command-20x16", "crowd-few"])
def test_commands(name: str, generator: Generator, echo: Server) -> None:
    check_rates(named(name).measure(generator, echo, ECHO))


def test_workers_that_share_a_core_with_the_load_are_not_compared_by_rate(generator: Generator, echo: Server) -> None:
    workers = named("workers").measure
    assert set(workers(generator, echo, ECHO)) == {"cpu_us", "others"}
    check_rates(workers(replace(generator, cores=CORES._replace(spare=CORE)), echo, ECHO))


def test_connecting_takes_the_batches_together(generator: Generator, echo: Server) -> None:
    check_rates(named("connect").measure(generator, echo, Exchange()))


def test_memory_is_that_of_one_connection(generator: Generator) -> None:
    port = free_port()
    with running(python(GROWS, port), port, CORE) as server:
        values = named("memory").measure(generator, server, Exchange())
    assert 95 < values["kib"] < 200


def test_targets_take_part_with_what_they_can() -> None:
    target = Target("some", "Some", lambda *_: python(""), {"command": ECHO, "command-msgpack": ECHO, "http": ECHO})
    taking_part = {each.name: each.exchanges_of(target) for each in measurements(SIZES)}
    assert {name: keys for name, keys in taking_part.items() if keys} == {
        "command-50x1": ["command", "command-msgpack"],
        "command-20x16": ["command", "command-msgpack"],
        "http": ["http"],
    }
    assert subject_of("some", "command") == "some"
    assert subject_of("some", "command-msgpack") == "some-msgpack"
    assert subject_of("some", "push-nodes-durable") == "some-durable"


def test_titles_say_what_is_done() -> None:
    titles = {each.name: each.title for each in measurements(SIZES)}
    assert titles["memory"] == "Memory of 100 idle connections"
    assert titles["crowd-most"] == "64 commands in flight over 30 open connections"
    assert titles["broadcast-many-bursts"] == "Broadcast to 500 sockets, bursts of 10"
