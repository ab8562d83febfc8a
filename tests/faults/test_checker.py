"""Histories in which all is well have no violation; and whoever was evicted has a newer connection."""

from tests.faults.checker import check
from tests.faults.told import ONE, PLUGINS, TWO, Told


def test_a_history_in_which_all_is_well(told: Told) -> None:
    told.push(1, 2)
    first, first_session = told.connect()
    told.receive(first, 1, 2)
    told.add("acked", connection=first, id=1)
    told.add("opening", connection="refused", user="ada", client="phone")
    told.add("close", connection="refused", code=1013)
    second, second_session = told.connect(server=TWO)
    told.tell(first_session)
    told.close(first, 4503)
    told.receive(second, 2)
    told.push(3)
    told.receive(second, 3)
    told.add("killed", target=TWO)
    told.tell(second_session, server=ONE)
    told.close(second, None)
    told.push(4)
    third, _ = told.connect()
    told.receive(third, 4)
    assert told.check() == []


def test_an_empty_history() -> None:
    assert check([], PLUGINS) == []


def test_a_connection_that_was_replaced_by_none(told: Told) -> None:
    first, session = told.connect()
    told.connect(user="bob")
    told.close(first, 4503)
    told.tell(session)
    # That it comes back afterwards is no reason.
    told.connect()
    assert told.found("eviction") == f"connection {first} of ada was closed with 4503, and there was no newer one"


def test_the_newer_connection_that_was_replaced_by_the_older(told: Told) -> None:
    told.connect()
    second, session = told.connect()
    told.close(second, 4503)
    told.tell(session)
    assert "no newer one" in told.found("eviction")


def test_an_attempt_that_had_failed_before_is_no_newer_connection(told: Told) -> None:
    told.add("opening", connection="refused", user="ada", client="phone")
    told.close("refused", 1013)
    connection, session = told.connect()
    told.close(connection, 4503)
    told.tell(session)
    assert "no newer one" in told.found("eviction")


def test_of_two_that_open_side_by_side_either_may_be_the_newer(told: Told) -> None:
    for name in ("a", "b"):
        told.add("opening", connection=name, user="ada", client="phone")
    for name in ("a", "b"):
        told.add("open", connection=name, session=f"session-{name}")
    told.close("b", 4503)
    told.tell("session-b")
    assert told.check() == []
