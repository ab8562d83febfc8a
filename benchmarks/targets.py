"""The servers under test: how to start each, what to send it, and what must come back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.environments import NODE_MODULES, PEERS, Environments

SCENARIOS = ("command", "command-msgpack", "fanout", "push", "connect", "hold", "http", "start")
"""The keys of `Target.exchanges`. For `start`, the time to the first answer, only `path` is set: what to GET."""


@dataclass(frozen=True)
class Process:
    """A server's command line, and the environment variables that it needs besides those of this process."""

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Exchange:
    """What the load generator does with a target in one scenario.

    In templates `########` becomes the message's number, and `{burst}` how many pushes one request is to cause; in
    `path` and in what `prologue` says, `{n}` becomes the number of the socket. For `http`, `request` is the whole
    request and `reply` the body of the answer.
    """

    path: str = "/"
    request: bytes = b""
    reply: bytes = b""
    push: bytes = b""
    trigger_path: str = ""
    opcode: int = 1
    """1 text, 2 binary: of requests and of answers."""
    headers: tuple[str, ...] = ()
    prologue: tuple[tuple[str, bytes], ...] = ()
    """("await", start of a message) and ("say", message): done in this order before a socket counts as open."""
    answer_text: tuple[bytes, bytes] | None = None
    """A message that is answered with another, and otherwise ignored."""
    ignore_prefixes: tuple[bytes, ...] = ()

    def options(self, burst: int = 1) -> list[str]:
        """The options of the load generator for this: all but the mode, the port, and how much and how long."""
        templates = {"--request": self.request, "--reply": self.reply, "--push": self.push}
        options = [] if self.request.startswith(b"GET ") else ["--path", self.path, "--opcode", str(self.opcode)]
        for name, template in templates.items():
            if template:
                options += [name, template.replace(b"{burst}", str(burst).encode()).hex()]
        if self.trigger_path:
            options += ["--trigger-path", self.trigger_path]
        for header in self.headers:
            options += ["--header", header]
        for action, message in self.prologue:
            options += [f"--{action}", message.hex()]
        if self.answer_text is not None:
            options += ["--answer-text", *(text.hex() for text in self.answer_text)]
        for prefix in self.ignore_prefixes:
            options += ["--ignore-prefix", prefix.hex()]
        return options


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


_TOKEN = "bench-secret"
_CORE_SETTINGS = (
    f"plugins.bench.token={_TOKEN}",
    "db.url=sqlite://:memory:",
    "server.backlog=2048",
    # All load comes from one address.
    "ws.max_connections_per_address=50000",
    # A limit that is never reached, rather than none: each message is counted as it is by default.
    "ws.rate=1000000000",
    "ws.burst=1000000000",
)

_DATA = b'{"text":"hello ########","number":7}'
_REQUEST = b'{"cmd":"bench.echo","data":' + _DATA + b',"req":"########"}'
_NEWS = b'{"cmd":"bench.news","data":{"text":"hello ########"},"code":0,"hint":""}'


def _core_process(python: Path, port: int, *settings: str) -> Process:
    options = [part for setting in (*_CORE_SETTINGS, *settings) for part in ("--set", setting)]
    return Process((str(python), "-m", "msanic_core", "serve", "--port", str(port), *options))


def _core_path(user: str) -> str:
    return f"/ws?user={user}&token={_TOKEN}"


def _packed(text: str) -> bytes:
    """A msgpack string of up to 31 bytes."""
    return bytes([0xA0 | len(text)]) + text.encode()


_PACKED_DATA = b"\x82" + _packed("text") + _packed("hello ########") + _packed("number") + b"\x07"
_PACKED_COMMAND = _packed("cmd") + _packed("bench.echo") + _packed("data") + _PACKED_DATA
_PACKED_NUMBER = _packed("req") + _packed("########")
_PACKED_CODE = _packed("code") + b"\x00"
_PACKED_HINT = _packed("hint") + _packed("")

_CORE_OPEN = Exchange(
    path=_core_path("user-{n}"),
    headers=("Sec-WebSocket-Protocol: msanic.v1.json",),
    prologue=(("await", b'{"cmd":"sys.welcome",'),),
)
_ALIVE = Exchange(path="/livez")
_GREETING_PATH = "/bench/json?name=ada"
_GREETING = Exchange(
    request=f"GET {_GREETING_PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode(),
    reply=b'{"hello":"ada","number":7}',
)

_CORE_EXCHANGES: Mapping[str, Exchange] = {
    "command": replace(
        _CORE_OPEN,
        request=_REQUEST,
        reply=b'{"cmd":"bench.echo","data":' + _DATA + b',"code":0,"req":"########","hint":""}',
    ),
    "command-msgpack": replace(
        _CORE_OPEN,
        headers=("Sec-WebSocket-Protocol: msanic.v1.msgpack",),
        prologue=(("await", b"\x84" + _packed("cmd") + _packed("sys.welcome")),),
        request=b"\x83" + _PACKED_COMMAND + _PACKED_NUMBER,
        reply=b"\x85" + _PACKED_COMMAND + _PACKED_CODE + _PACKED_NUMBER + _PACKED_HINT,
        opcode=2,
    ),
    "fanout": replace(
        _CORE_OPEN,
        prologue=(
            *_CORE_OPEN.prologue,
            ("say", b'{"cmd":"bench.join","req":"{n}"}'),
            ("await", b'{"cmd":"bench.join","data":null,"code":0,'),
        ),
        trigger_path=_core_path("trigger"),
        request=b'{"cmd":"bench.fan","data":{"text":"hello ########","count":{burst}},"req":"########"}',
        push=_NEWS,
    ),
    "push": replace(
        _CORE_OPEN,
        trigger_path=_core_path("sender"),
        request=b'{"cmd":"bench.push","data":{"user":"user-0","text":"hello ########"},"req":"########"}',
        push=_NEWS,
    ),
    "connect": _CORE_OPEN,
    "hold": _CORE_OPEN,
    "http": _GREETING,
    "start": _ALIVE,
}

_ECHO = Exchange(path="/echo", request=_REQUEST, reply=_REQUEST)
_OPEN = Exchange(path="/echo")
_FAN = Exchange(
    path="/fan?role=receiver",
    trigger_path="/fan?role=trigger",
    request=b'{"text":"hello ########","count":{burst}}',
    push=_NEWS,
)
_FORWARD = Exchange(path="/push?role=receiver", trigger_path="/push?role=sender", request=_NEWS, push=_NEWS)

_SOCKET_IO = Exchange(
    path="/socket.io/?EIO=4&transport=websocket",
    prologue=(("await", b'0{"sid":'), ("say", b"40"), ("await", b'40{"sid":')),
    # 42 is an event and 43 its acknowledgement; the id behind it loses leading zeros, so it begins with 1.
    request=b'421########["echo",' + _DATA + b"]",
    reply=b"431########[" + _DATA + b"]",
    answer_text=(b"2", b"3"),
)

_MSANIC = Exchange(
    path="/bench/ws",
    # Some time in the past; without one it refuses.
    headers=("Timestamp: 1700000000",),
    request=_REQUEST,
    reply=b'{"cmd":"bench.echo","data":' + _DATA + b',"code":0,"req":"########","hint":"success"}',
    # It sends JSON in binary frames.
    opcode=2,
)


def _start_core(environments: Environments, port: int, _: int) -> Process:
    return _core_process(environments.core_python, port)


def _start_core_ten(environments: Environments, port: int, _: int) -> Process:
    return _core_process(environments.core_ten_python, port)


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
    Target("core", "msanic-core", _start_core, _CORE_EXCHANGES),
    Target("core-ten", "msanic-core with ten plugins", _start_core_ten, {"start": _ALIVE}),
    _python_peer(
        "sanic",
        "Sanic",
        {
            "command": _ECHO,
            "fanout": _FAN,
            "push": _FORWARD,
            "connect": _OPEN,
            "hold": _OPEN,
            "http": _GREETING,
            "start": Exchange(path=_GREETING_PATH),
        },
    ),
    Target("msanic", "msanic 1.0.22", _start_msanic, {"command": _MSANIC}, needs_redis=True),
    _python_peer("picows", "picows", {"command": _ECHO, "fanout": _FAN, "push": _FORWARD, "hold": _OPEN}),
    _python_peer("starlette", "Starlette on uvicorn", {"command": _ECHO}),
    _python_peer("websockets", "websockets on uvloop", {"command": _ECHO}),
    _python_peer("socketify", "socketify (uWebSockets)", {"command": _ECHO}),
    _python_peer("socketio", "python-socketio on uvicorn", {"command": _SOCKET_IO}),
    _python_peer("channels", "Django Channels on daphne", {"command": _ECHO}),
    Target("ws", "ws on Node", _start_ws, {"command": _ECHO}),
    Target("bun", "Bun", _start_bun, {"command": _ECHO}),
)
