"""The two interfaces between a session and the connection that carries it."""

from abc import abstractmethod
from typing import Protocol

from mypy_extensions import mypyc_attr

from msanic_core.codes import OfflineReason
from msanic_core.wire import MessageReceiver


class Socket(Protocol):
    """What a session calls on its connection; `transport/websocket.py` implements it."""

    def write(self, data: bytes) -> None:
        """Write complete frames: to the kernel, or to the transport's buffer when the kernel takes no more."""

    def buffered(self) -> int:
        """Written bytes that the kernel has not taken yet."""

    def ping(self) -> None:
        """Send a ping frame."""

    def pause_reading(self) -> None:
        """Stop reading from the client: TCP flow control then stops it."""

    def resume_reading(self) -> None:
        """Read again."""

    def close(self, code: int, reason: str) -> None:
        """Send a close frame and end the connection, by force if the client does not answer it in time."""


@mypyc_attr(allow_interpreted_subclasses=True)
class SocketReceiver(MessageReceiver):
    """What a connection calls on its session. All calls come from the event loop and must not block."""

    @abstractmethod
    def control(self) -> None:
        """A ping or pong has arrived."""

    @abstractmethod
    def writable(self, yes: bool) -> None:
        """The socket takes data again (True), or takes no data (False)."""

    @abstractmethod
    def connection_lost(self, reason: OfflineReason, code: int | None = None, text: str = "") -> None:
        """The client or the network has ended the connection, or is ending it. `code`, `text`: of the close frame."""
