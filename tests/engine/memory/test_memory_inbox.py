from typing import Any

import pytest

from msanic_core.engine.base import InboxLimits
from msanic_core.engine.memory.memory_inbox import MemoryInbox
from msanic_core.wire import Push, WireEncodeError

EPOCH = "epoch"
NOW = 100.0
LIMITS = InboxLimits(max_messages=5, max_bytes=1000, max_age=60.0)


def filled(count: int, *, base: int = 0, clients: tuple[str, ...] = (), limits: InboxLimits = LIMITS) -> MemoryInbox:
    inbox = MemoryInbox(limits, NOW, base, clients)
    for number in range(count):
        inbox.append(Push("n.n", number), NOW + number)
    return inbox


def read(
    inbox: MemoryInbox, client: str = "", after: int | None = None, *, now: float = NOW, limit: int = 100
) -> tuple[list[Any], int]:
    page = inbox.read(client, after, limit, now, EPOCH)
    assert page.epoch == EPOCH
    return [message.id for message in page.messages], page.lost


def test_ids_start_above_the_base() -> None:
    inbox = filled(2, base=40)
    assert read(inbox) == ([41, 42], 0)
    assert inbox.last_id == 42
    assert read(inbox, after=3) == ([41, 42], 0), "ids up to the base were other users'"


def test_a_failed_append_takes_no_id() -> None:
    inbox = filled(1)
    with pytest.raises(WireEncodeError):
        inbox.append(Push("n.n", object()), NOW)
    assert inbox.append(Push("n.n"), NOW).id == 2


def test_pages_are_bounded_and_go_on_where_the_last_ended() -> None:
    inbox = filled(5)
    assert read(inbox, limit=2) == ([1, 2], 0)
    assert read(inbox, after=2, limit=2) == ([3, 4], 0)
    assert read(inbox, after=4, limit=2) == ([5], 0)
    assert read(inbox, after=5, limit=2) == ([], 0)
    assert read(inbox, after=2**64) == ([], 0)


def test_reading_for_a_client_makes_it_known() -> None:
    inbox = filled(3)
    read(inbox, "slow")
    inbox.acknowledge("fast", 3)
    assert read(inbox, "slow") == ([1, 2, 3], 0)


def test_reading_after_an_id_does_not() -> None:
    inbox = filled(3)
    read(inbox, "visitor", after=0)
    inbox.acknowledge("fast", 3)
    assert read(inbox, after=0) == ([], 0)


def test_an_acknowledgement_never_goes_back_nor_beyond_the_end() -> None:
    inbox = filled(3, clients=("",))
    inbox.acknowledge("", 2)
    inbox.acknowledge("", 1)
    inbox.acknowledge("", 0)
    assert read(inbox) == ([3], 0)
    inbox.acknowledge("", 1000)
    assert inbox.append(Push("n.n"), NOW).id == 4
    assert read(inbox) == ([4], 0)


def test_what_all_have_is_dropped_and_no_loss() -> None:
    inbox = filled(4, clients=("a", "b"))
    inbox.acknowledge("a", 4)
    inbox.acknowledge("b", 2)
    assert read(inbox, after=0) == ([3, 4], 0)
    assert read(inbox, "c") == ([3, 4], 0)


def test_what_was_trimmed_counts_as_lost_for_those_who_had_not_read_it() -> None:
    inbox = filled(4, clients=("a", "b"))
    inbox.acknowledge("a", 3)
    for _ in range(4):
        inbox.append(Push("n.n"), NOW)
    assert read(inbox, "a") == ([4, 5, 6, 7, 8], 0)
    assert read(inbox, "b") == ([4, 5, 6, 7, 8], 3)
    assert read(inbox, "new") == ([4, 5, 6, 7, 8], 3)
    assert read(inbox, after=2) == ([4, 5, 6, 7, 8], 1)


def test_bytes_are_counted_as_packed_and_freed_with_their_message() -> None:
    inbox = MemoryInbox(InboxLimits(100, 400, 60.0), NOW)
    for _ in range(50):
        inbox.append(Push("n.n", "x" * 90), NOW)
    assert read(inbox) == ([48, 49, 50], 47)


def test_age_is_looked_at_when_reading() -> None:
    inbox = filled(3)
    assert read(inbox, now=NOW + 60) == ([1, 2, 3], 0)
    assert read(inbox, now=NOW + 61.5) == ([3], 2)
    assert read(inbox, now=NOW + 63) == ([], 3)


def test_the_number_of_known_clients_is_bounded() -> None:
    inbox = filled(1)
    for number in range(10_000):
        read(inbox, f"client {number}")
    assert len(inbox._positions) <= 100
    # The slowest give way, so that the newest keep their place.
    inbox.acknowledge("client 9999", 1)
    read(inbox, "one more")
    assert read(inbox, "client 9999") == ([], 0)


@pytest.mark.parametrize(
    ("clients", "acknowledged", "later", "forgettable"),
    [
        ((), {}, 0.0, False),  # a message waits
        (("",), {"": 1}, 0.0, True),
        (("a",), {"a": 1}, 0.0, False),  # whoever has a name may come back while another reads what comes then
        (("a",), {"a": 1}, 61.0, True),
        (("",), {}, 61.0, True),  # aged out: it could still be told, but that was long enough
        (("", "a"), {"": 1, "a": 1}, 0.0, False),
    ],
)
def test_forgettable(clients: tuple[str, ...], acknowledged: dict[str, int], later: float, forgettable: bool) -> None:
    inbox = filled(1, clients=clients)
    for client, message_id in acknowledged.items():
        inbox.acknowledge(client, message_id)
    assert inbox.forgettable(NOW + later) is forgettable


def test_a_loss_yet_to_be_told_is_remembered() -> None:
    for clients in ((), ("",)):
        inbox = filled(1, clients=clients)
        read(inbox, now=NOW + 30)
        assert not inbox.forgettable(NOW + 70), "its message aged out, and nobody was told"
        assert inbox.forgettable(NOW + 91)


def test_the_last_keys_are_remembered() -> None:
    inbox = filled(1)
    for number in range(1001):
        inbox.append(Push("n.n"), NOW, f"key {number}")
        inbox.append(Push("n.n"), NOW)
    assert inbox.id_of("key 0") is None
    assert inbox.id_of("key 1") == 4, "also where its message was trimmed"
    assert inbox.id_of("key 1000") == 2002
    assert inbox.id_of("") is None


def test_a_failed_append_takes_no_key() -> None:
    inbox = filled(0)
    with pytest.raises(WireEncodeError):
        inbox.append(Push("n.n", object()), NOW, "key")
    assert inbox.id_of("key") is None


def test_keys_outlive_what_was_sent_with_them() -> None:
    inbox = filled(0)
    inbox.append(Push("n.n"), NOW, "key")
    inbox.acknowledge("", 1)
    assert not inbox.forgettable(NOW + 60)
    assert inbox.forgettable(NOW + 61)
