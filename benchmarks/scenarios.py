"""What is measured: a table of measurements, and for each the load that a started server gets."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.exchanges import Exchange
from benchmarks.loads import Cores, Result, loading, measure
from benchmarks.servers import Server
from benchmarks.targets import Target

OURS = "core"
VARIANTS = {
    "command-msgpack": ("msgpack", " with msgpack"),
    "push-durable": ("durable", ", durable"),
    "push-nodes-durable": ("durable", ", durable"),
}
"""Exchanges that are a second way to talk to the same target: they make a subject of their own. With what is added to
the target's name and to its title."""

_MARGIN_SECONDS = 60.0
_WINDOW = 50
_FIRST = 50


@dataclass(frozen=True)
class Sizes:
    """How long and with how many sockets; times are in seconds."""

    seconds: float
    warmup: float
    receivers: tuple[int, int]
    """Of a broadcast: few and many."""
    held: int
    """Connections whose memory is measured."""
    hold_seconds: float
    """How long they are open before."""
    batch: int
    """Connections that are opened and held in one batch."""
    batches: int
    crowds: tuple[int, int, int]
    """Open connections that the same number of requests is spread over: few, many, most."""
    starts: int
    """Starts in each round."""


FULL = Sizes(
    seconds=3.0,
    warmup=1.0,
    receivers=(500, 5_000),
    held=5_000,
    hold_seconds=8.0,
    batch=1_000,
    batches=5,
    crowds=(100, 1_000, 10_000),
    starts=5,
)
QUICK = Sizes(
    seconds=0.3,
    warmup=0.1,
    receivers=(100, 500),
    held=500,
    hold_seconds=0.5,
    batch=200,
    batches=2,
    crowds=(100, 250, 500),
    starts=1,
)


@dataclass(frozen=True)
class Generator:
    """The load generator, the Python for what takes its place, and where all of them run."""

    binary: Path
    python: Path
    cores: Cores


Values = dict[str, float]
Measure = Callable[[Generator, Server, Exchange], Values]


@dataclass(frozen=True)
class Measurement:
    """One thing that is measured of a started server."""

    name: str
    scenario: str
    """What `--only` selects by."""
    title: str
    measure: Measure
    exchanges: tuple[str, ...]
    """Keys of `Target.exchanges`: every target that has one takes part with it."""
    targets: frozenset[str] | None = None
    """The targets that take part, where not all of them do."""
    fresh: bool = False
    """Only a server that has done nothing else yet shows it."""

    def exchanges_of(self, target: Target) -> list[str]:
        """Give the exchanges with which a target takes part."""
        if self.targets is not None and target.name not in self.targets:
            return []
        return [key for key in self.exchanges if key in target.exchanges]


def subject_of(target: str, exchange: str) -> str:
    """Name what is measured of a target with an exchange."""
    return f"{target}-{VARIANTS[exchange][0]}" if exchange in VARIANTS else target


def measurements(sizes: Sizes) -> list[Measurement]:
    """Give all measurements of started servers, in the order of the report."""
    few, many = sizes.receivers
    return [
        _command(sizes, 50, 1),
        _command(sizes, 20, 16),
        _workers(sizes),
        _broadcast(sizes, "broadcast-few", few, 1),
        _broadcast(sizes, "broadcast-few-bursts", few, 10),
        _broadcast(sizes, "broadcast-many", many, 1),
        _broadcast(sizes, "broadcast-many-bursts", many, 10),
        _push(sizes, "push", "Push to one user, 16 in flight"),
        _push(sizes, "push-nodes", "Push to one user on another node, 16 in flight"),
        _connect(sizes),
        _memory(sizes),
        *(_crowd(sizes, name, size) for name, size in zip(("few", "many", "most"), sizes.crowds, strict=True)),
        _http(sizes),
    ]


def _timed(sizes: Sizes, mode: str, options: Sequence[str], burst: int = 1) -> Measure:
    """Measure a closed loop for a time: what comes per second, how late, and for how much CPU time of the server."""
    times = ["--seconds", str(sizes.seconds), "--warmup", str(sizes.warmup)]
    timeout = sizes.seconds + sizes.warmup + _MARGIN_SECONDS

    def run(generator: Generator, server: Server, exchange: Exchange) -> Values:
        if exchange.receiver is not None:
            return _received(generator, server, [str(exchange.receiver), *options, *times], timeout)
        arguments = [mode, *exchange.options(burst), *options, *times]
        return _values(measure(generator.binary, generator.cores, arguments, server, timeout))

    return run


def _received(generator: Generator, server: Server, arguments: Sequence[str], timeout: float) -> Values:
    """Let a program of the target measure itself: it is one half of the target, and runs where the other half does."""
    assert server.helper is not None, "what is measured so needs Redis"
    arguments = [*arguments, "--redis-port", str(server.helper.port)]
    cores = generator.cores
    result = measure(generator.python, cores, arguments, server, timeout, core=cores.server)
    return _values(result | {"cpu_seconds": result["cpu_seconds"] + result["load_seconds"]})


def _values(result: Result) -> Values:
    count = next(result[name] for name in ("answers", "deliveries", "connections") if name in result)
    cpu, seconds = result["cpu_seconds"], result["seconds"]
    return {
        "rate": result["rate"],
        "p50_us": result["p50_us"],
        "p99_us": result["p99_us"],
        "cpu_us": cpu / count * 1e6,
        "busy": cpu / seconds,
        "others": result["others_seconds"] / seconds,
    }


def _command(sizes: Sizes, sockets: int, depth: int) -> Measurement:
    return Measurement(
        f"command-{sockets}x{depth}",
        "command",
        f"Commands, {sockets} sockets with {depth} in flight each",
        _timed(sizes, "command", ["--sockets", str(sockets), "--depth", str(depth)]),
        ("command", "command-msgpack"),
    )


def _broadcast(sizes: Sizes, name: str, sockets: int, burst: int) -> Measurement:
    rhythm = "one at a time" if burst == 1 else f"bursts of {burst}"
    return Measurement(
        name,
        "broadcast",
        f"Broadcast to {sockets:,} sockets, {rhythm}",
        _timed(sizes, "fanout", ["--sockets", str(sockets), "--burst", str(burst)], burst),
        ("fanout",),
    )


def _push(sizes: Sizes, name: str, title: str) -> Measurement:
    return Measurement(name, "push", title, _timed(sizes, "push", ["--depth", "16"]), (name, f"{name}-durable"))


def _workers(sizes: Sizes) -> Measurement:
    timed = _timed(sizes, "command", ["--sockets", "50"])

    def run(generator: Generator, server: Server, exchange: Exchange) -> Values:
        values = timed(generator, server, exchange)
        if generator.cores.spare is not None:
            return values
        # Two workers share their second core with the load: how much they get done says nothing.
        return {name: values[name] for name in ("cpu_us", "others")}

    title = "Commands to one worker and to two, 50 sockets with 1 in flight each (with two cores only CPU time counts)"
    return Measurement("workers", "workers", title, run, ("workers",))


def _crowd(sizes: Sizes, name: str, sockets: int) -> Measurement:
    options = ["--sockets", str(sockets), "--requests-in-flight", "64"]
    return Measurement(
        f"crowd-{name}",
        "crowd",
        f"64 commands in flight over {sockets:,} open connections",
        _timed(sizes, "command", options),
        ("command",),
        # The others show how much of it is the kernel's and the machine's.
        frozenset({OURS, "picows", "ws", "bun"}),
    )


def _http(sizes: Sizes) -> Measurement:
    return Measurement(
        "http",
        "http",
        "HTTP route answering JSON, 50 connections",
        _timed(sizes, "http", ["--sockets", "50"]),
        ("http",),
    )


def _connect(sizes: Sizes) -> Measurement:
    def run(generator: Generator, server: Server, exchange: Exchange) -> Values:
        arguments = ["connect", *exchange.options(), "--sockets", str(sizes.batch), "--window", str(_WINDOW)]
        results = []
        for _ in range(sizes.batches):
            results.append(measure(generator.binary, generator.cores, arguments, server, _MARGIN_SECONDS))
            # The server is done with the connections of one batch before the next begins.
            server.settle(5.0)
        return _values(_together(results))

    title = f"Connecting, {sizes.batches} batches of {sizes.batch:,} connections, {_WINDOW} at once"
    return Measurement("connect", "connect", title, run, ("connect",))


def _together(results: list[Result]) -> Result:
    """Take several batches as one: sums, and of the latencies the median."""
    together: Result = {}
    for name in ("connections", "seconds", "cpu_seconds", "others_seconds"):
        together[name] = sum(result[name] for result in results)
    for name in ("p50_us", "p99_us"):
        together[name] = median(result[name] for result in results)
    return together | {"rate": together["connections"] / together["seconds"]}


def _memory(sizes: Sizes) -> Measurement:
    def run(generator: Generator, server: Server, exchange: Exchange) -> Values:
        # Compared with some connections, not with none: what the first ones need is no part of what each one needs.
        few, many = (
            _hold(generator, server, exchange, sockets, sizes.hold_seconds) for sockets in (_FIRST, sizes.held)
        )
        return {"kib": (many - few) / (sizes.held - _FIRST)}

    return Measurement("memory", "memory", f"Memory of {sizes.held:,} idle connections", run, ("hold",), fresh=True)


def _hold(generator: Generator, server: Server, exchange: Exchange, sockets: int, seconds: float) -> int:
    """Give the server's private memory in KiB when the sockets have been open for some time; then they are closed."""
    arguments = ["hold", *exchange.options(), "--sockets", str(sockets), "--port", str(server.port)]
    with loading(generator.binary, generator.cores.load, arguments, seconds + 2 * _MARGIN_SECONDS) as load:
        load.wait_for("ready")
        server.find_processes()
        time.sleep(seconds)
        server.settle(5.0)
        kib = server.private_kib()
        load.release()
        load.result()
    server.settle(5.0)
    return kib
