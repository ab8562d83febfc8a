"""Records, jobs and payloads are read as they were written."""

import msgspec
import pytest

from msanic_core.codes import OfflineReason
from msanic_core.engine.base import OfflineJob
from msanic_core.engine.redis.records import (
    Close,
    GroupAnswer,
    GroupRequest,
    Record,
    ToGroup,
    ToUser,
    Watch,
    answer_payload,
    group_payload,
    pack_session,
    read_job,
    read_payload,
    read_record,
    request_payload,
    unpack_session,
    watch_payload,
)
from msanic_core.identity import SessionInfo
from msanic_core.wire import Push
from msanic_core.wire.packed import pack_push

SESSION = SessionInfo("s1", "ada:ä", "node-1", 1_700_000_000.25, "::1", client="phone", groups=("a", "b"))


def test_a_session() -> None:
    assert unpack_session(pack_session(SESSION)) == SESSION
    lost = msgspec.structs.replace(SESSION, closed_at=2.5, last=True)
    assert unpack_session(pack_session(lost)) == lost


def test_the_fourth_field_is_when_it_was_opened() -> None:
    """Lua counts from 1, see restore.lua."""
    assert msgspec.msgpack.decode(pack_session(SESSION))[4 - 1] == SESSION.opened_at


def test_a_record_whose_packed_part_has_line_breaks() -> None:
    session = msgspec.structs.replace(SESSION, address="a\nb\n")
    packed = b"\n".join([b"kicked", b"node-1.2", b"node-1", b"phone", pack_session(session)])
    assert read_record(packed) == Record("kicked", "node-1.2", session)


def test_a_job_has_the_groups_that_were_noted_and_those_it_was_lost_with() -> None:
    job = read_job([b"lost", pack_session(SESSION), b"12.5", b"1", [b"b", b"c"], [b"chat"]])
    session = msgspec.structs.replace(SESSION, groups=("a", "b", "c"), closed_at=12.5, last=True)
    assert job == OfflineJob(session, OfflineReason.LOST, ("chat",))


PUSH = Push("a.b", {"text": "line\nline"}, hint="h\n")


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"p\nada\n" + pack_push(PUSH), ToUser("ada", PUSH)),
        (b"p1700000000001\nada\n" + pack_push(PUSH), ToUser("ada", msgspec.structs.replace(PUSH, id=1700000000001))),
        (b"cs1\nreplaced", Close("s1", OfflineReason.REPLACED)),
        (b"j7\nnode-1\ns1\n1\nred", GroupRequest(7, "node-1", "s1", "red", True)),
        (request_payload(GroupRequest(8, "n", "s1", "red", False)), GroupRequest(8, "n", "s1", "red", False)),
        (b"r7\n1", GroupAnswer(7, True)),
        (answer_payload(GroupAnswer(8, False)), GroupAnswer(8, False)),
        (answer_payload(GroupAnswer(9, None)), GroupAnswer(9, None)),
        (group_payload("red:1", pack_push(PUSH)), ToGroup("red:1", PUSH)),
        (group_payload(None, pack_push(PUSH)), ToGroup(None, PUSH)),
        (watch_payload(17), Watch(17)),
    ],
)
def test_what_comes_on_a_channel(payload: bytes, message: object) -> None:
    assert read_payload(payload) == message
