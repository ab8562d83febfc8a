"""The formats of records and jobs in the store, and of payloads on channels; the README lists them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from msanic_core.codes import OfflineReason
from msanic_core.engine.base import OfflineJob
from msanic_core.identity import SessionInfo
from msanic_core.wire import Push
from msanic_core.wire.packed import unpack_push

OPEN = "-"
"""The mark of a session that was not told to end."""


class Record(NamedTuple):
    """A session in the store. `mark`: `OPEN`, or the reason for which the session was told to end."""

    mark: str
    owner: str
    session: SessionInfo


def pack_session(session: SessionInfo) -> bytes:
    """Pack a session as an array. restore.lua reads the fourth field, `opened_at`."""
    return msgspec.msgpack.encode(msgspec.structs.astuple(session))


def unpack_session(packed: bytes) -> SessionInfo:
    """The session that `pack_session` packed."""
    return msgspec.convert(
        dict(zip(SessionInfo.__struct_fields__, msgspec.msgpack.decode(packed), strict=True)), SessionInfo
    )


def read_record(record: bytes) -> Record:
    """Read a value of a user's `sessions`, see register.lua."""
    mark, owner, _, _, packed = record.split(b"\n", 4)
    return Record(mark.decode(), owner.decode(), unpack_session(packed))


def read_job(answer: Sequence[Any]) -> OfflineJob:
    """Read what claim.lua returns. The session gets the groups that the store lists for it too."""
    reason, packed, closed_at, last, groups, plugins = answer
    session = unpack_session(packed)
    session = msgspec.structs.replace(
        session,
        groups=tuple(sorted({*session.groups, *(group.decode() for group in groups)})),
        closed_at=float(closed_at),
        last=last == b"1",
    )
    return OfflineJob(session, OfflineReason(reason.decode()), tuple(plugin.decode() for plugin in plugins))


class ToUser(NamedTuple):
    """A message for the sessions of a user."""

    user: str
    push: Push


class ToGroup(NamedTuple):
    """A message for the members of a group; None: for everybody."""

    group: str | None
    push: Push


class Close(NamedTuple):
    """A session is to end."""

    session_id: str
    reason: OfflineReason


class LockFree(NamedTuple):
    """A lock was released, and it is this node's turn."""

    name: str


class GroupRequest(NamedTuple):
    """A node asks the node of a session to put it into a group (`member`), or to take it out.

    `number`: of the request, among those of `node`, which asks.
    """

    number: int
    node: str
    session_id: str
    group: str
    member: bool


class GroupAnswer(NamedTuple):
    """The answer: whether the session is there and was changed; None: not now, for want of Redis."""

    number: int
    done: bool | None


class Watch(NamedTuple):
    """A node's message to itself: its subscription is alive."""

    number: int


NodeMessage = ToUser | ToGroup | Close | LockFree | GroupRequest | GroupAnswer
"""What nodes publish for each other."""


def group_payload(group: str | None, packed: bytes) -> bytes:
    """The payload of a message for a group; None: for everybody."""
    return b"a\n" + packed if group is None else b"g" + group.encode() + b"\n" + packed


def watch_payload(number: int) -> bytes:
    """The payload that a node publishes for itself."""
    return b"w%d" % number


def request_payload(request: GroupRequest) -> bytes:
    """The payload of a request to the node of a session."""
    return f"j{request.number}\n{request.node}\n{request.session_id}\n{request.member:d}\n{request.group}".encode()


def answer_payload(answer: GroupAnswer) -> bytes:
    """The payload of the answer to a request."""
    return b"r%d\n%b" % (answer.number, b"" if answer.done is None else b"%d" % answer.done)


def read_payload(payload: bytes) -> NodeMessage | Watch:
    """Read a payload.

    The scripts write `p` (push.lua, send.lua), `c` (register.lua, kick.lua) and `l` (unlock.lua).
    """
    kind = payload[:1]
    if kind == b"p":
        message_id, user, packed = payload[1:].split(b"\n", 2)
        push = unpack_push(packed)
        if message_id:
            push = msgspec.structs.replace(push, id=int(message_id))
        return ToUser(user.decode(), push)
    if kind == b"c":
        session_id, reason = payload[1:].split(b"\n", 1)
        return Close(session_id.decode(), OfflineReason(reason.decode()))
    if kind == b"l":
        return LockFree(payload[1:].decode())
    if kind == b"j":
        number, node, session_id, member, group = payload[1:].split(b"\n", 4)
        return GroupRequest(int(number), node.decode(), session_id.decode(), group.decode(), member == b"1")
    if kind == b"r":
        number, done = payload[1:].split(b"\n")
        return GroupAnswer(int(number), None if not done else done == b"1")
    if kind == b"w":
        return Watch(int(payload[1:]))
    group, packed = payload[1:].split(b"\n", 1)
    return ToGroup(None if kind == b"a" else group.decode(), unpack_push(packed))
