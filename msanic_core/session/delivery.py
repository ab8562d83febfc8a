"""How the engine reaches this node's sessions: a push is encoded once per codec and goes into each outbox."""

from collections.abc import Sequence
from typing import Final

import msgspec

from msanic_core.codes import OfflineReason
from msanic_core.engine.base import OfflineJob
from msanic_core.identity import SessionInfo
from msanic_core.session.membership import Membership
from msanic_core.session.offline import OfflineChain
from msanic_core.session.registry import Registry
from msanic_core.session.replay import Replay
from msanic_core.session.session import Session
from msanic_core.session.state import InboxState, SessionState
from msanic_core.wire import Codec, Push

_OPENING: Final = SessionState.OPENING
_LIVE: Final = InboxState.LIVE
_BEHIND: Final = InboxState.BEHIND


class LocalDelivery:
    """The `Delivery` of a node: does what the engine asks with the sessions of the node.

    The ids of a user's durable messages rise by 1, and each session knows the last id it received. So a message is
    never sent twice, and a message after a gap is not sent before the missing ones.
    """

    def __init__(self, registry: Registry, offline: OfflineChain, replay: Replay, membership: Membership) -> None:
        self._registry = registry
        self._membership = membership
        self._offline = offline
        self._replay = replay

    def to_user(self, user: str, push: Push) -> int:
        """See `Delivery.to_user`. During a replay a session gets durable messages from the inbox only, in order."""
        sessions = list(self._registry.of_user(user))
        if push.id is None:
            _send(sessions, push)
        else:
            self._send_durable(sessions, push, push.id)
        return len(sessions)

    def to_group(self, group: str | None, push: Push) -> int:
        """See `Delivery.to_group`."""
        sessions = list(self._registry.of_group(group))
        _send(sessions, push)
        return len(sessions)

    def close(self, session_id: str, reason: OfflineReason) -> bool:
        """See `Delivery.close`."""
        session = self._registry.get(session_id)
        return session is not None and self._offline.lose(session, reason)

    def sessions(self) -> Sequence[SessionInfo]:
        """See `Delivery.sessions`."""
        return [_with_groups(session) for session in self._registry.all() if session.registered]

    def catch_up(self, session_id: str, last_id: int) -> None:
        """See `Delivery.catch_up`. A `last_id` below the session's own means a new inbox: that is read too."""
        session = self._registry.get(session_id)
        if session is not None and session.received != last_id:
            self._replay.catch_up(session)

    def adopt(self, job: OfflineJob) -> None:
        """See `Delivery.adopt`."""
        self._offline.adopt(job)

    async def change_group(self, session_id: str, group: str, member: bool) -> bool:
        """See `Delivery.change_group`."""
        change = self._membership.join if member else self._membership.leave
        return await change(session_id, group)

    def drop_sessions(self) -> None:
        """See `Delivery.drop_sessions`."""
        self._offline.drop_sessions()

    def _send_durable(self, sessions: list[Session], push: Push, message_id: int) -> None:
        frames: dict[Codec, bytes] = {}
        for session in sessions:
            if session.inbox is not _LIVE:
                session.inbox = _BEHIND
            elif message_id > session.received + 1:
                self._replay.catch_up(session)
            elif message_id <= session.received:
                continue
            elif session.lost_before:
                session.send_durable(push)
            else:
                frame = frames.get(session.codec)
                if frame is None:
                    frame = frames[session.codec] = session.codec.push(push)
                session.received = session.outbox.written_id = message_id
                session.outbox.send(frame)


def _send(sessions: list[Session], push: Push) -> None:
    frames: dict[Codec, bytes] = {}
    codec, frame = None, b""
    for session in sessions:
        if session.state is _OPENING:
            # It is not welcomed yet, and this push is only for sessions that are open now.
            continue
        if session.codec is not codec:
            codec = session.codec
            if codec not in frames:
                frames[codec] = codec.push(push)
            frame = frames[codec]
        session.outbox.send(frame)


def _with_groups(session: Session) -> SessionInfo:
    if not session.groups:
        return session.info
    return msgspec.structs.replace(session.info, groups=tuple(sorted(session.groups)))
