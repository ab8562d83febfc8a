"""The client: a connection to a server that is kept up, calls with typed replies, and pushes that are not lost."""

from msanic_core.client.backoff import Backoff
from msanic_core.client.client import Client
from msanic_core.client.push_queue import Position, ReceivedPush
from msanic_core.errors import RefusedError, ReplyError

__all__ = ["Backoff", "Client", "Position", "ReceivedPush", "RefusedError", "ReplyError"]
