"""The Python client: it stays connected, makes calls with typed replies, and loses no durable push.

Read `client` (the public class), `link` (connects again), `watched_connection` (one WebSocket), `conversation` (the
messages on it), `calls` (waits for replies), `push_queue` (waits for the program), then `credentials`, `message` and
`backoff`. Import the names in `__all__` from here; the files are private. The room uses only `wire`, `codes` and
`errors`, so that a client program loads nothing of the server.
"""

from msanic_core.client.backoff import Backoff
from msanic_core.client.client import Client
from msanic_core.client.push_queue import Position, ReceivedPush
from msanic_core.errors import RefusedError, ReplyError

__all__ = ["Backoff", "Client", "Position", "ReceivedPush", "RefusedError", "ReplyError"]
