"""Each wrong call of `ws_offline`, and each one that is missing, in a history written by hand."""

import pytest

from tests.faults.told import ONE, SECOND, TEST, TWO, Told


def test_a_plugin_that_was_never_told(told: Told) -> None:
    connection, session = told.connect()
    told.close(connection)
    told.tell(session, plugins=("hangs",))
    assert told.found("offline") == f"session {session}: it was lost, and plugin records was never told"


@pytest.mark.parametrize("target", [ONE, TEST])
def test_a_session_that_was_lost_with_its_process(told: Told, target: int) -> None:
    """That of the server, or that of the client."""
    _, session = told.connect()
    told.add("killed", target=target)
    assert [violation.rule for violation in told.check()] == ["offline", "offline"]
    told.tell(session, server=TWO)
    assert told.check() == []


def test_a_session_that_no_client_knows_of_is_lost_with_its_server(told: Told) -> None:
    told.add("online", ONE, session="s", user="ada", client="phone", node="node")
    assert told.check() == []
    told.add("killed", target=ONE)
    assert len(told.check()) == 2


def test_a_plugin_that_was_told_twice(told: Told) -> None:
    connection, session = told.connect()
    told.close(connection)
    told.tell(session)
    told.tell(session, TWO, ("records",))
    assert "plugin records was told 2 times" in told.found("offline")


def test_a_plugin_that_was_told_of_a_session_that_is_open(told: Told) -> None:
    _, session = told.connect()
    told.tell(session, plugins=("records",))
    assert told.found("offline") == (
        f"session {session}: it is still open, and plugin records was told that it was lost"
    )


def test_plugins_that_were_told_of_a_session_nobody_has_opened(told: Told) -> None:
    told.tell("unheard-of")
    assert "nobody of its beginning" in told.found("offline")
    # It may have died before it could write that the session has begun.
    told.add("killed", target=TWO)
    assert told.check() == []


def test_a_process_that_dies_within_a_hook_may_have_it_called_again_and_only_that(told: Told) -> None:
    connection, session = told.connect()
    told.close(connection)
    told.tell(session, ONE, ("records",))
    told.begin(session, "hangs", ONE)
    told.add("killed", target=ONE)
    told.begin(session, "hangs", TWO)
    assert told.check() == []
    told.tell(session, TWO, ("records",))
    assert "plugin records was told 2 times" in told.found("offline")


def test_the_death_of_another_process_is_no_excuse(told: Told) -> None:
    connection, session = told.connect()
    told.close(connection)
    told.tell(session, ONE, ("hangs",))
    told.begin(session, "records", ONE)
    told.add("killed", target=TWO)
    told.end(session, "records", ONE)
    assert told.check() == []
    told.begin(session, "records", ONE)
    assert "plugin records was told 2 times" in told.found("offline")


def test_a_hook_that_another_process_has_ended_is_not_ended_in_the_one_that_dies(told: Told) -> None:
    connection, session = told.connect()
    told.close(connection)
    told.tell(session, ONE, ("hangs",))
    told.begin(session, "records", ONE)
    told.tell(session, TWO, ("records",))
    told.add("killed", target=ONE)
    assert told.check() == []


def test_the_time_in_which_a_hook_is_not_marked_as_done_yet(told: Told) -> None:
    connection, session = told.connect()
    told.close(connection)
    told.tell(session)
    told.time += SECOND // 2
    told.add("killed", target=ONE)
    told.tell(session, TWO, ("records",))
    assert "plugin records was told 2 times" in told.found("offline")
    assert len(told.check(unmarked=0.4)) == 1
    assert told.check(unmarked=1.0) == []


@pytest.mark.parametrize("begins_frozen", [True, False])
def test_a_process_that_others_hold_for_dead_within_a_hook(told: Told, begins_frozen: bool) -> None:
    connection, session = told.connect()
    told.close(connection)
    told.tell(session, plugins=("records",))
    if begins_frozen:
        told.add("frozen", target=ONE)
        told.begin(session, "hangs")
    else:
        told.begin(session, "hangs")
        told.add("frozen", target=ONE)
    told.tell(session, TWO, ("hangs",))
    told.add("thawed", target=ONE)
    told.end(session, "hangs")
    assert told.check() == []
    told.tell(session, ONE, ("hangs",))
    assert "plugin hangs was told 3 times" in told.found("offline")


def test_a_process_that_was_thawed_is_no_excuse_any_more(told: Told) -> None:
    told.add("frozen", target=ONE)
    told.add("thawed", target=ONE)
    connection, session = told.connect()
    told.close(connection)
    told.tell(session)
    told.tell(session, TWO, ("records",))
    assert "plugin records was told 2 times" in told.found("offline")
