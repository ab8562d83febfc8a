"""What a session and the connection that carries it ask of each other."""

from abc import abstractmethod
from typing import Protocol

from mypy_extensions import mypyc_attr

from msanic_core.codes import OfflineReason
from msanic_core.wire import MessageReceiver


class Socket(Protocol):
    """What a session needs of its connection; `transport/websocket.py` has the real one."""

    def write(self, data: bytes) -> None:
        """Hand complete frames to the kernel, or to the transport's buffer where it takes no more."""

    def buffered(self) -> int:
        """Bytes handed over that the kernel has not taken yet."""

    def ping(self) -> None:
        """Send a ping frame."""

    def pause_reading(self) -> None:
        """Stop reading from the peer: TCP then holds it back."""

    def resume_reading(self) -> None:
        """Read again."""

    def close(self, code: int, reason: str) -> None:
        """Send a close frame and end the connection, by force when the peer does not follow in time."""


@mypyc_attr(allow_interpreted_subclasses=True)
class SocketReceiver(MessageReceiver):
    """What a connection needs of its session. All calls come from the event loop, none may block."""

    @abstractmethod
    def control(self) -> None:
        """A ping or pong."""

    @abstractmethod
    def writable(self, yes: bool) -> None:
        """The socket takes data again, or takes no more."""

    @abstractmethod
    def connection_lost(self, reason: OfflineReason, code: int | None = None, text: str = "") -> None:
        """The connection ended, or is about to, on the client's side; `code` and `text` are for the close frame."""
