"""Names of keys: no user or group name changes their form, and keys of one script lie in one slot."""

from itertools import pairwise

import pytest
from redis.crc import key_slot

from msanic_core.engine.redis.names import Names, escape

STRANGE = ["a", "a:b", "{a}", "}", "a\nb", "*", "%7B", "{", "ä", "a%", ""]


def test_no_two_names_become_one() -> None:
    assert len({escape(name) for name in STRANGE}) == len(STRANGE)


@pytest.mark.parametrize("name", STRANGE)
def test_a_name_cannot_change_the_form_of_a_key(name: str) -> None:
    assert not set(escape(name)) & set("{}:*\r\n\0")


def test_keys_used_by_one_script_lie_in_one_slot() -> None:
    names = Names("msanic", 3)
    for user in STRANGE:
        of_user = [of(user) for of in (names.sessions, names.meta, names.inbox, names.keys, names.sent)]
        of_session = [of(user, "s:1") for of in (names.job, names.groups_of, names.taken)]
        assert len({key_slot(key.encode()) for key in of_user + of_session}) == 1
        assert len(set(of_user + of_session)) == 8
    for first, second in [(names.beats, names.dead), (names.dead, names.epoch)]:
        assert key_slot(first.encode()) == key_slot(second.encode())
    assert key_slot(names.members("a").encode()) == key_slot(names.nodes("a").encode())


def test_users_groups_and_locks_of_one_name_are_apart() -> None:
    names = Names("msanic", 0)
    keys = [names.sessions("a"), names.nodes("a"), names.held("a"), names.lock("a")]
    assert all(first != second for first, second in pairwise(sorted(keys)))


def test_databases_have_channels_of_their_own() -> None:
    assert Names("msanic", 0).everybody != Names("msanic", 1).everybody
    assert Names("msanic", 0).node_channel != Names("msanic", 1).node_channel
