"""For tests of engines, what a node does: open and close sessions, and push messages to an inbox."""

from collections.abc import Coroutine
from typing import Any, Protocol

from msanic_core.codes import OfflineReason
from msanic_core.engine.base import SessionPolicy
from msanic_core.identity import SessionInfo
from msanic_core.wire import Push


class Start(Protocol):
    """See the fixture `start`."""

    async def __call__(self, **limits: Any) -> Any: ...

    def run(self, test: Coroutine[Any, Any, None]) -> None: ...


SINGLE = SessionPolicy(1, replace=True)
MULTI = SessionPolicy(3)


def info(session_id: str, user: str = "ada", **fields: Any) -> SessionInfo:
    node, opened_at = fields.pop("node", "node-1"), fields.pop("opened_at", 0.0)
    return SessionInfo(session_id, user, node, opened_at, "127.0.0.1", **fields)


async def connect(bench: Any, session: SessionInfo, policy: SessionPolicy = MULTI) -> bool:
    """Open a session as a node does: add it locally, register it, read its inbox."""
    bench.node.online[session.id] = session
    registered: bool = await bench.engine.register(session, policy)
    if registered:
        await bench.engine.inbox(session.user, session.client, None, 100)
    else:
        del bench.node.online[session.id]
    return registered


async def disconnect(bench: Any, session: SessionInfo, reason: OfflineReason = OfflineReason.CLOSED) -> SessionInfo:
    bench.node.online.pop(session.id, None)
    lost: SessionInfo | None = await bench.engine.unregister(session, reason, ["chat"])
    assert lost is not None
    await bench.engine.done(session, "chat")
    return lost


async def push_numbers(bench: Any, numbers: range, user: str = "ada") -> list[int]:
    return [await bench.engine.push(user, Push("n.n", number), True) for number in numbers]


async def waiting(bench: Any, client: str = "", after: int | None = None, limit: int = 100) -> tuple[list[Any], int]:
    """The data of the waiting messages, and the number of messages lost before them."""
    page = await bench.engine.inbox("ada", client, after, limit)
    return [message.data for message in page.messages], page.lost
