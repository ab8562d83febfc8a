"""Passes messages from user to user, on any nodes, and tells all users who has left."""

import msgspec

from msanic_core import Context, OfflineReason, Server, SessionInfo, command, hookimpl


class Tell(msgspec.Struct):
    user: str
    text: str


@command("relay.tell")
async def tell(ctx: Context, data: Tell) -> dict:
    message = {"from": ctx.user, "at": ctx.session.node, "text": data.text}
    return {"id": await ctx.push(data.user, "relay.told", message)}


@hookimpl
def ws_command():
    return [tell]


@hookimpl
async def ws_offline(session: SessionInfo, reason: OfflineReason, server: Server):
    left = {"user": session.user, "reason": reason, "said by": server.node}
    await server.broadcast(None, "relay.left", left)
