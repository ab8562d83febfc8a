"""What is said to the servers under test, and what must come back."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

SCENARIOS = (
    *("command", "command-msgpack", "workers", "fanout", "push", "push-durable", "push-nodes", "push-nodes-durable"),
    *("connect", "hold", "http", "start"),
)
"""The keys of `Target.exchanges`. For `start`, the time to the first answer, only `path` is set: what to GET."""


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
    acknowledge: bytes = b""
    """What the receiver of pushes says after each read: in it, as in `push`, 16 `@` are the id of the last one."""
    opcode: int = 1
    """1 text, 2 binary: of requests and of answers."""
    headers: tuple[str, ...] = ()
    prologue: tuple[tuple[str, bytes], ...] = ()
    """("await", start of a message) and ("say", message): done in this order before a socket counts as open."""
    answer_text: tuple[bytes, bytes] | None = None
    """A message that is answered with another, and otherwise ignored."""
    ignore_prefixes: tuple[bytes, ...] = ()
    receiver: Path | None = None
    """A program of the target's own that takes the place of the load generator, on the server's core."""

    def options(self, burst: int = 1) -> list[str]:
        """The options of the load generator for this: all but the mode, the port, and how much and how long."""
        templates = {
            "--request": self.request,
            "--reply": self.reply,
            "--push": self.push,
            "--acknowledge": self.acknowledge,
        }
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


TOKEN = "bench-secret"
"""What the plugin of the core lets its users in for."""

_DATA = b'{"text":"hello ########","number":7}'
_REQUEST = b'{"cmd":"bench.echo","data":' + _DATA + b',"req":"########"}'
_NEWS = b'{"cmd":"bench.news","data":{"text":"hello ########"},"code":0,"hint":""}'
_DURABLE_NEWS = _NEWS.removesuffix(b"}") + b',"id":@@@@@@@@@@@@@@@@}'


def _core_path(user: str) -> str:
    return f"/ws?user={user}&token={TOKEN}"


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
ALIVE = Exchange(path="/livez")
GREETING_PATH = "/bench/json?name=ada"
GREETING = Exchange(
    request=f"GET {GREETING_PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode(),
    reply=b'{"hello":"ada","number":7}',
)

CORE: Mapping[str, Exchange] = {
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
    "http": GREETING,
    "start": ALIVE,
}

PUSH = CORE["push"]
DURABLE_PUSH = replace(
    PUSH,
    request=PUSH.request.replace(b'"text"', b'"durable":true,"text"'),
    push=_DURABLE_NEWS,
    acknowledge=b'{"cmd":"sys.ack","data":{"id":@@@@@@@@@@@@@@@@}}',
    ignore_prefixes=(b'{"cmd":"sys.ack","data":null,"code":0,',),
)

ECHO = Exchange(path="/echo", request=_REQUEST, reply=_REQUEST)
OPEN = Exchange(path="/echo")
FAN = Exchange(
    path="/fan?role=receiver",
    trigger_path="/fan?role=trigger",
    request=b'{"text":"hello ########","count":{burst}}',
    push=_NEWS,
)
FORWARD = Exchange(path="/push?role=receiver", trigger_path="/push?role=sender", request=_NEWS, push=_NEWS)

SOCKET_IO = Exchange(
    path="/socket.io/?EIO=4&transport=websocket",
    prologue=(("await", b'0{"sid":'), ("say", b"40"), ("await", b'40{"sid":')),
    # 42 is an event and 43 its acknowledgement; the id behind it loses leading zeros, so it begins with 1.
    request=b'421########["echo",' + _DATA + b"]",
    reply=b"431########[" + _DATA + b"]",
    answer_text=(b"2", b"3"),
)

MSANIC = Exchange(
    path="/bench/ws",
    # Some time in the past; without one it refuses.
    headers=("Timestamp: 1700000000",),
    request=_REQUEST,
    reply=b'{"cmd":"bench.echo","data":' + _DATA + b',"code":0,"req":"########","hint":"success"}',
    # It sends JSON in binary frames.
    opcode=2,
)
