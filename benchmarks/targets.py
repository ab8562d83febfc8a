"""The servers under test: how to start each, and what it takes part in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.environments import NODE_MODULES, PEERS, Environments
from benchmarks.exchanges import (
    ALIVE,
    CORE,
    DURABLE_PUSH,
    ECHO,
    FAN,
    FORWARD,
    GREETING,
    GREETING_PATH,
    MSANIC,
    OPEN,
    PUSH,
    SOCKET_IO,
    TOKEN,
    Exchange,
)


@dataclass(frozen=True)
class Process:
    """A server's command line, and the environment variables that it needs besides those of this process."""

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    ready: str = ""
    """What it writes when it is ready, where that its port accepts connections says too little."""


Start = Callable[[Environments, int, int], Process]
"""(environments, port to listen on, port of the private Redis or 0 where the target needs none)"""


@dataclass(frozen=True)
class Target:
    """A server under test. It is ready when its port accepts connections, and is to run in a directory of its own."""

    name: str
    title: str
    """For people: what it is, and how it runs."""
    start: Start
    exchanges: Mapping[str, Exchange]
    """By scenario: a target takes part in those that it has an exchange for."""
    needs_redis: bool = False
    nodes: int = 1
    """1 or 2: as many processes are started, each with a port of its own, on the same core. With two the sender of
    pushes is connected to the second."""
    cores: int = 1
    """1 or 2."""


_CORE_SETTINGS = (
    f"plugins.bench.token={TOKEN}",
    "db.url=sqlite://:memory:",
    "server.backlog=2048",
    # All load comes from one address.
    "ws.max_connections_per_address=50000",
    # A limit that is never reached, rather than none: each message is counted as it is by default.
    "ws.rate=1000000000",
    "ws.burst=1000000000",
)


def _core_process(python: Path, port: int, *settings: str) -> Process:
    options = [part for setting in (*_CORE_SETTINGS, *settings) for part in ("--set", setting)]
    return Process((str(python), "-m", "msanic_core", "serve", "--port", str(port), *options))


def _start_core(environments: Environments, port: int, _: int) -> Process:
    return _core_process(environments.core_python, port)


def _start_core_ten(environments: Environments, port: int, _: int) -> Process:
    return _core_process(environments.core_ten_python, port)


def _start_core_redis(environments: Environments, port: int, redis_port: int) -> Process:
    return _core_process(environments.core_python, port, f"redis.url=redis://127.0.0.1:{redis_port}/0")


def _start_core_workers(environments: Environments, port: int, redis_port: int) -> Process:
    settings = (f"redis.url=redis://127.0.0.1:{redis_port}/0", "server.workers=2")
    # The port accepts as soon as the supervisor runs; it shows the addresses when all workers are ready.
    return replace(_core_process(environments.core_python, port, *settings), ready="\n  websocket ")


def _start_redis_py(environments: Environments, port: int, redis_port: int) -> Process:
    publisher = str(PEERS / "redis_publisher.py")
    return Process((str(environments.core_python), publisher, "--port", str(port), "--redis-port", str(redis_port)))


def _python_peer(name: str, title: str, exchanges: Mapping[str, Exchange]) -> Target:
    """A server of `peers/` in the environment of that name."""

    def start(environments: Environments, port: int, _: int) -> Process:
        return Process((str(environments.peers_python), str(PEERS / f"{name}_server.py"), "--port", str(port)))

    return Target(name, title, start, exchanges)


def _start_msanic(environments: Environments, port: int, redis_port: int) -> Process:
    server = str(PEERS / "msanic_server.py")
    python = str(environments.msanic_python)
    return Process((python, server, "--port", str(port), "--redis-port", str(redis_port)))


def _start_ws(environments: Environments, port: int, _: int) -> Process:
    command = (str(environments.node), str(PEERS / "ws_server.mjs"), "--port", str(port))
    return Process(command, {"NODE_PATH": str(NODE_MODULES), "NODE_ENV": "production"})


def _start_bun(environments: Environments, port: int, _: int) -> Process:
    command = (str(environments.bun), str(PEERS / "bun_server.mjs"), "--port", str(port))
    return Process(command, {"NODE_ENV": "production"})


TARGETS: tuple[Target, ...] = (
    Target("core", "msanic-core", _start_core, CORE),
    Target(
        "core-redis",
        "msanic-core on Redis",
        _start_core_redis,
        {
            "command": CORE["command"],
            "workers": CORE["command"],
            "push": PUSH,
            "push-durable": DURABLE_PUSH,
            "connect": CORE["connect"],
        },
        needs_redis=True,
    ),
    Target(
        "core-nodes",
        "msanic-core, two nodes on one Redis",
        _start_core_redis,
        {"push-nodes": PUSH, "push-nodes-durable": DURABLE_PUSH},
        needs_redis=True,
        nodes=2,
    ),
    Target(
        "core-workers",
        "msanic-core on Redis, two workers",
        _start_core_workers,
        {"workers": CORE["command"]},
        needs_redis=True,
        cores=2,
    ),
    Target(
        "redis-py",
        "redis-py, a publisher and a subscriber",
        _start_redis_py,
        {"push-nodes": Exchange(receiver=PEERS / "redis_subscriber.py")},
        needs_redis=True,
    ),
    Target("core-ten", "msanic-core with ten plugins", _start_core_ten, {"start": ALIVE}),
    _python_peer(
        "sanic",
        "Sanic",
        {
            "command": ECHO,
            "fanout": FAN,
            "push": FORWARD,
            "connect": OPEN,
            "hold": OPEN,
            "http": GREETING,
            "start": Exchange(path=GREETING_PATH),
        },
    ),
    Target("msanic", "msanic 1.0.22", _start_msanic, {"command": MSANIC}, needs_redis=True),
    _python_peer("picows", "picows", {"command": ECHO, "fanout": FAN, "push": FORWARD, "hold": OPEN}),
    _python_peer("starlette", "Starlette on uvicorn", {"command": ECHO}),
    _python_peer("websockets", "websockets on uvloop", {"command": ECHO}),
    _python_peer("socketify", "socketify (uWebSockets)", {"command": ECHO}),
    _python_peer("socketio", "python-socketio on uvicorn", {"command": SOCKET_IO}),
    _python_peer("channels", "Django Channels on daphne", {"command": ECHO}),
    Target("ws", "ws on Node", _start_ws, {"command": ECHO}),
    Target("bun", "Bun", _start_bun, {"command": ECHO}),
)
