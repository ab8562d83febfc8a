"""The commands: who may say what where, and who hears of it."""

import re
import time
import uuid

from msanic_chat.messages import InRoom, Joined, Message, Presence, Said, Say, Sent, Tell, Told, Users
from msanic_chat.rooms import Rooms, group_of, room_of
from msanic_chat.settings import ChatSettings
from msanic_core import AnyCommand, CommandError, Context, ReplyCode, Server, SessionInfo, command

ChatContext = Context[ChatSettings, Rooms]

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f]")


@command("chat.join", id=3001)
async def join(ctx: ChatContext, data: InRoom) -> Joined:
    """Enter a room; answers with who is there and what was said last."""
    room, rooms = _checked_room(ctx, data.room), ctx.state
    joined = rooms.of_session(ctx.session.id)
    limit = ctx.settings.max_rooms
    if room not in joined and len(joined) >= limit:
        raise CommandError(
            ReplyCode.FORBIDDEN, f"you are in {limit} rooms, which is all one may be in: leave one first"
        )
    # Before anything is waited for: `ws_offline`, which takes it back, cannot have been called yet.
    rooms.enter(ctx.session.id, room)
    group = group_of(room)
    before = await ctx.members(group)
    await ctx.join(group)
    present = await ctx.members(group)
    if ctx.user in present and ctx.user not in before:
        await ctx.broadcast(group, "chat.joined", Presence(room, ctx.user))
    return Joined(room, present, rooms.history(room))


@command("chat.leave", id=3002)
async def leave(ctx: ChatContext, data: InRoom) -> None:
    """Leave a room; nothing happens if the session is not in it."""
    room, group = data.room, group_of(data.room)
    if group not in ctx.groups:
        return
    ctx.state.leave(ctx.session.id, room)
    await ctx.leave(group)
    if ctx.user not in await ctx.members(group):
        await ctx.broadcast(group, "chat.left", Presence(room, ctx.user))


@command("chat.say", id=3003)
async def say(ctx: ChatContext, data: Say) -> Sent:
    """Say something to everybody in a room that the session is in."""
    room = _checked_room(ctx, data.room)
    text = _checked_text(ctx, data.text)
    group = group_of(room)
    if group not in ctx.groups:
        raise CommandError(ReplyCode.FORBIDDEN, f"you are not in the room {room!r}: enter it with chat.join first")
    said = Said(_new_id(), ctx.user, text, time.time(), room)
    # First into the history: who joins meanwhile gets it there, or twice, but not never.
    ctx.state.add(said)
    await ctx.broadcast(group, "chat.said", said)
    return Sent(said.id, said.at)


@command("chat.who", id=3004)
async def who(ctx: ChatContext, data: InRoom) -> Users:
    """Tell who is in a room."""
    room = _checked_room(ctx, data.room)
    return Users(room, await ctx.members(group_of(room)))


@command("chat.tell", id=3005)
async def tell(ctx: ChatContext, data: Tell) -> Told:
    """Send a message to a user, who gets it on return if they are offline."""
    text = _checked_text(ctx, data.text)
    try:
        online = await ctx.online(data.user)
    except ValueError as error:
        raise CommandError(ReplyCode.INVALID, f"data.user: {error}") from error
    message = Message(_new_id(), ctx.user, text, time.time())
    await ctx.push(data.user, "chat.told", message, durable=True)
    return Told(message.id, message.at, online)


COMMANDS: list[AnyCommand] = [join, leave, say, who, tell]


async def announce_lost(server: Server, session: SessionInfo) -> None:
    """Tell the rooms of a lost session of it, those in which its user has no other one."""
    for group in session.groups:
        room = room_of(group)
        if room is not None and session.user not in await server.members(group):
            await server.broadcast(group, "chat.left", Presence(room, session.user))


def _checked_room(ctx: ChatContext, room: str) -> str:
    longest = ctx.settings.max_room
    if not 0 < len(room) <= longest:
        raise CommandError(ReplyCode.INVALID, f"data.room: a name has 1 to {longest} characters, not {len(room)}")
    if room != room.strip() or not room.isprintable():
        raise CommandError(
            ReplyCode.INVALID, "data.room: a room's name has no spaces at its ends and no invisible characters"
        )
    return room


def _checked_text(ctx: ChatContext, text: str) -> str:
    longest = ctx.settings.max_text
    if not text.strip():
        raise CommandError(ReplyCode.INVALID, "data.text: there is nothing but spaces in it")
    if len(text) > longest:
        raise CommandError(ReplyCode.INVALID, f"data.text: a message has at most {longest} characters, not {len(text)}")
    if _CONTROL.search(text):
        raise CommandError(ReplyCode.INVALID, "data.text: of control characters only line feed and tab are allowed")
    return text


def _new_id() -> str:
    return uuid.uuid4().hex
