"""The core's own commands: type `sys`, or 1 for clients that send integers."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from msanic_core.codes import ReplyCode
from msanic_core.commands.declaration import AnyCommand, Command
from msanic_core.context import Context
from msanic_core.engine.base import Engine
from msanic_core.errors import CommandError
from msanic_core.session.registry import Registry
from msanic_core.session.replay import Replay
from msanic_core.session.session import Session
from msanic_core.session.state import InboxState

PING_ID = 1001

MessageId = Annotated[int, msgspec.Meta(ge=0)]


class Acknowledge(msgspec.Struct):
    """`id`: the client has every durable message up to this id."""

    id: MessageId


class Resume(msgspec.Struct):
    """`after`: the highest durable message id the client has. `epoch`: of the inbox, from `sys.welcome`."""

    after: MessageId
    epoch: str | None = None


def system_commands(registry: Registry, engine: Engine, replay: Replay) -> list[AnyCommand]:
    """Make `sys.ping` (1001), `sys.ack` and `sys.resume`. They are concurrent: no handler delays them."""
    tasks: set[asyncio.Task[None]] = set()

    def session_of(ctx: Context) -> Session:
        session = registry.get(ctx.session.id)
        if session is None:
            raise CommandError(ReplyCode.EXPIRED, "the session has ended")
        return session

    def ping(_: Context, data: Any) -> Any:
        """Answer with the same data."""
        return data

    def ack(ctx: Context, data: Acknowledge) -> None:
        """Acknowledge every durable message up to an id."""
        engine.acknowledge(ctx.user, ctx.session.client, data.id)

    async def resume(ctx: Context, data: Resume) -> dict[str, Any]:
        """Send every message after an id again; if the id is of another epoch, every message in the inbox."""
        session = session_of(ctx)
        if session.inbox is not InboxState.LIVE:
            raise CommandError(ReplyCode.REPEATED, "a replay is under way, wait for its messages")
        page = await replay.first_page(session, data.after)
        if data.epoch is not None and data.epoch != page.epoch:
            page = await replay.first_page(session, 0)
        task = asyncio.get_running_loop().create_task(replay.run(session, page))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return {"epoch": page.epoch, "lost": page.lost}

    def declare(handler: Callable[..., Any], name: str, number: int | None, data_type: Any) -> AnyCommand:
        return Command(handler, name, number, True, data_type)

    return [
        declare(ping, "sys.ping", PING_ID, Any),
        declare(ack, "sys.ack", None, Acknowledge),
        declare(resume, "sys.resume", None, Resume),
    ]
