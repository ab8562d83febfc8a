"""Greets a user on request, and tells all users who has left."""

import msgspec

from msanic_core import Context, OfflineReason, Server, SessionInfo, command, hookimpl


class Greet(msgspec.Struct):
    name: str


@command("hello.greet", id=4001)
async def greet(ctx: Context, data: Greet) -> dict:
    await ctx.broadcast(None, "hello.greeted", {"by": ctx.user, "name": data.name})
    return {"text": f"Hello, {data.name}!"}


@hookimpl
def ws_command():
    return [greet]


@hookimpl
async def ws_offline(session: SessionInfo, reason: OfflineReason, server: Server):
    await server.broadcast(None, "hello.left", {"user": session.user, "reason": reason})
