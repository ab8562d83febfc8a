"""Each message that is missing, in the wrong place or too much, in a history written by hand."""

from tests.faults.told import ONE, Told


def test_a_message_that_never_came(told: Told) -> None:
    connection, _ = told.connect()
    told.push(1, 2, 3)
    told.receive(connection, 1, 3)
    assert told.found("delivery") == "message 2 (id 2) of ada never came to client 'phone' of ada"


def test_the_last_message_that_never_came(told: Told) -> None:
    connection, _ = told.connect()
    told.push(1, 2)
    told.receive(connection, 1)
    assert "message 2" in told.found("delivery")


def test_each_client_has_to_get_it(told: Told) -> None:
    told.connect(client="phone")
    tablet, _ = told.connect(client="tablet")
    told.push(1)
    told.receive(tablet, 1)
    assert told.found("delivery").endswith("never came to client 'phone' of ada")


def test_what_was_there_before_all_clients_has_to_come_to_one(told: Told) -> None:
    told.push(1)
    assert told.check() == [], "it waits"
    told.connect(client="phone")
    tablet, _ = told.connect(client="tablet")
    assert told.found("delivery") == "message 1 (id 1) of ada never came to any client"
    told.receive(tablet, 1)
    assert told.check() == []


def test_what_was_not_accepted_need_not_come(told: Told) -> None:
    connection, _ = told.connect()
    told.add("pushing", ONE, user="ada", number=1, key="one")
    told.add("push_failed", ONE, user="ada", number=1, error="StoreUnavailableError()")
    told.add("pushing", ONE, user="ada", number=2, key=None)
    told.add("pushed", ONE, user="ada", number=2, id=None)
    assert told.check() == []
    told.add("pushing", ONE, user="ada", number=1, key="one")
    told.add("pushed", ONE, user="ada", number=1, id=1)
    assert "message 1" in told.found("delivery")
    told.receive(connection, 1)
    assert told.check() == []


def test_a_client_that_will_not_be_back_misses_nothing(told: Told) -> None:
    told.connect()
    told.push(1)
    told.add("gone", user="ada", client="phone")
    assert told.check() == []


def test_what_was_lost_and_said_to_be(told: Told) -> None:
    connection, _ = told.connect()
    told.push(1, 2, 3, 4)
    told.add("pushed", ONE, user="bob", number=9, id=2)
    told.receive(connection, 1)
    told.receive(connection, 4, lost=2)
    assert told.check() == []


def test_more_was_lost_than_was_said(told: Told) -> None:
    connection, _ = told.connect()
    told.push(1, 2, 3, 4)
    told.receive(connection, 1)
    told.receive(connection, 4, lost=1)
    assert [violation.text[:9] for violation in told.check()] == ["message 2", "message 3"]


def test_messages_in_the_wrong_order(told: Told) -> None:
    connection, _ = told.connect()
    told.push(1, 2)
    told.receive(connection, 2, 1)
    assert "message 1 (id 1) came after id 2" in told.found("delivery")


def test_the_order_goes_on_over_connections(told: Told) -> None:
    first, session = told.connect()
    told.push(1, 2)
    told.receive(first, 2)
    told.close(first)
    told.tell(session)
    second, _ = told.connect()
    told.receive(second, 1)
    assert "message 1 (id 1) came after id 2" in told.found("delivery")


def test_a_message_twice_on_one_connection(told: Told) -> None:
    connection, _ = told.connect()
    told.push(1)
    told.receive(connection, 1, 1)
    assert "message 1 (id 1) came again" in told.found("delivery")


def test_a_message_again_though_it_was_acknowledged(told: Told) -> None:
    first, session = told.connect()
    told.push(1, 2)
    told.receive(first, 1, 2)
    told.add("acked", connection=first, id=1)
    told.close(first)
    told.tell(session)
    second, _ = told.connect()
    told.receive(second, 2)
    assert told.check() == [], "at least once: this acknowledgement was on its way"
    told.add("acked", connection=second, id=2)
    third, _ = told.connect(client="phone")
    told.receive(third, 2)
    assert "message 2 (id 2) came again" in told.found("delivery")


def test_what_a_client_has_asked_for_again_may_come_again(told: Told) -> None:
    connection, _ = told.connect()
    told.push(1, 2, 3)
    told.receive(connection, 1, 2, 3)
    told.add("acked", connection=connection, id=3)
    told.add("resumed", connection=connection, after=1)
    told.receive(connection, 2, 3)
    assert told.check() == []
    told.receive(connection, 1)
    assert "message 1 (id 1) came again" in told.found("delivery")


def test_a_message_that_was_stored_twice(told: Told) -> None:
    connection, _ = told.connect()
    told.push(1)
    told.push(1, message_id=2)
    told.receive(connection, 1, message_id=2)
    assert told.found("delivery") == "message 1 of ada was stored twice, as id 1 and as 2"


def test_a_message_that_came_with_another_id(told: Told) -> None:
    connection, _ = told.connect()
    told.push(1)
    told.receive(connection, 1, message_id=7)
    assert "message 1 (id 7) was accepted with id 1" in told.found("delivery")


def test_a_store_that_was_emptied(told: Told) -> None:
    connection, _ = told.connect()
    told.push(1, 2)
    told.receive(connection, 1)
    told.add("forgetting")
    told.push(3)
    told.add("forgot")
    told.push(4, message_id=1)
    told.receive(connection, 4, message_id=1)
    assert told.check() == []
    told.push(3, message_id=2)
    told.receive(connection, 3, message_id=2)
    assert told.check() == [], "tried again, and now it is stored"
    told.push(5, message_id=3)
    assert "message 5" in told.found("delivery")
    told.push(6, message_id=4)
    told.receive(connection, 6, message_id=4)
    told.receive(connection, 5, message_id=3)
    assert "message 5 (id 3) came after id 4" in told.found("delivery"), "ids begin anew once"
