"""The plugins of the servers in fault tests: three that are told of lost sessions, and one to push, ask and kick.

All write into the history (see `history.py`) that the environment variable `FAULT_HISTORY` names.
"""

import shutil
from pathlib import Path

from msanic_core.testing import install_plugin
from tests.faults import history

HISTORY_VARIABLE = "FAULT_HISTORY"

OFFLINE_PLUGINS = ("hangs", "raises", "records")
"""Those whose `ws_offline` writes events."""

_OFFLINE = """
import asyncio, os
from fault_history import History
from msanic_core import hookimpl

HISTORY = History(os.environ["FAULT_HISTORY"])

@hookimpl(tryfirst={first})
async def ws_offline(session, reason):
    HISTORY.record(
        "offline", plugin="{name}", session=session.id, user=session.user, reason=str(reason), last=session.last
    )
    try:
        {then}
    finally:
        HISTORY.record("offline_end", plugin="{name}", session=session.id)
"""

_THEN = {"hangs": "await asyncio.sleep(3600)", "raises": "raise RuntimeError('on purpose')", "records": "pass"}

_FAULT = """
import os
import msgspec
from fault_history import History
from msanic_core import command, hookimpl
from sanic import Blueprint, json

HISTORY = History(os.environ["FAULT_HISTORY"])

class Message(msgspec.Struct):
    user: str
    number: int
    key: str | None = None

class User(msgspec.Struct):
    user: str

class Group(msgspec.Struct):
    group: str

class Call(msgspec.Struct):
    group: str | None
    number: int

class Flood(msgspec.Struct):
    bytes: int

async def push_to(server, message):
    HISTORY.record("pushing", user=message.user, number=message.number, key=message.key)
    key = {} if message.key is None else {"key": message.key}
    try:
        stored = await server.push(message.user, "fault.said", {"number": message.number}, **key)
    except Exception as error:
        HISTORY.record("push_failed", user=message.user, number=message.number, error=repr(error))
        raise
    HISTORY.record("pushed", user=message.user, number=message.number, id=stored)
    return {"id": stored}

@command("fault.push")
async def push(ctx, data: Message) -> dict:
    return await push_to(ctx.server, data)

@command("fault.who")
async def who(ctx) -> dict:
    return {"session": ctx.session.id, "user": ctx.user, "node": ctx.session.node, "pid": os.getpid()}

@command("fault.kick")
async def kick(ctx, data: User) -> dict:
    return {"kicked": await ctx.server.kick(data.user)}

@command("fault.sessions")
async def sessions(ctx, data: User) -> list:
    return [session.id for session in await ctx.server.sessions(data.user)]

@command("fault.join")
async def join(ctx, data: Group) -> None:
    await ctx.join(data.group)

@command("fault.members")
async def members(ctx, data: Group) -> list:
    return await ctx.members(data.group)

@command("fault.call")
async def call(ctx, data: Call) -> None:
    await ctx.broadcast(data.group, "fault.called", {"number": data.number})

@command("fault.flood")
async def flood(ctx, data: Flood) -> None:
    await ctx.broadcast(None, "fault.flooded", "x" * data.bytes)

blueprint = Blueprint("fault")

@blueprint.post("/push")
async def push_by_http(request):
    message = msgspec.json.decode(request.body, type=Message)
    return json(await push_to(request.app.ctx.msanic, message))

@hookimpl
def http_blueprint():
    return blueprint

@hookimpl
def ws_command():
    return [push, who, kick, sessions, join, members, call, flood]

@hookimpl
async def ws_online(session):
    HISTORY.record("online", session=session.id, user=session.user, client=session.client, node=session.node)
"""


def install_fault_plugins(directory: Path) -> None:
    """Put the plugins where servers find them.

    fault.push {user, number, key} and POST /fault/push with the same as JSON push "fault.said" {number} and answer
    {id}; fault.who answers {session, user, node, pid}; fault.kick {user} answers {kicked}, the number of sessions;
    fault.sessions {user} answers a list of ids; fault.join {group} joins, fault.members {group} answers a list of
    users; fault.call {group, number} broadcasts "fault.called" {number}, to everybody with a group that is null;
    fault.flood {bytes} broadcasts a text of that length to everybody.
    """
    shutil.copy(history.__file__, directory / "fault_history.py")
    for name in OFFLINE_PLUGINS:
        # First is the one that holds up the others.
        source = _OFFLINE.format(name=name, then=_THEN[name], first=name == "hangs")
        install_plugin(directory, name, source)
    install_plugin(directory, "fault", _FAULT)
