"""A reader that is held, or whose callbacks change, while it reads."""

import pytest

from msanic_core.wire import BINARY, PING, TEXT
from tests.support.peer import fragments, frame
from tests.support.reader import RESERVED, Client, Received, hold_at

KINDS: dict[str, tuple[Received, bytes]] = {
    "short text": ("short", frame(TEXT, b"short")),
    "empty text": ("", frame(TEXT, b"")),
    "long text": ("x" * 126, frame(TEXT, b"x" * 126)),
    "binary": (b"binary", frame(BINARY, b"binary")),
    "fragments": (b"fragments", fragments(BINARY, b"frag", b"ments")),
    "ping": ((PING, b"ping"), frame(PING, b"ping")),
}
everything = b"".join(data for _, data in KINDS.values())
all_kinds = [received for received, _ in KINDS.values()]


@pytest.mark.parametrize("kind", KINDS)
def test_a_reader_that_is_held_meanwhile_hands_over_nothing_more(kind: str) -> None:
    held = KINDS[kind][0]
    client = Client()
    hold_at(client, held)
    client.send(everything + everything)
    until = all_kinds.index(held) + 1
    rest = all_kinds + all_kinds
    for _ in range(2):
        assert client.got == rest[:until]
        assert client.reader.held
        rest, until = rest[until:], len(all_kinds)
        assert client.reader.waiting == bool(rest)
        assert client.goes_on() == []
        client.reader.held = False
        client.goes_on()
    assert client.got == rest
    assert not client.reader.waiting


def test_what_comes_while_it_is_held_is_kept_in_order() -> None:
    client = Client()
    client.reader.held = True
    assert not client.reader.waiting
    client.send(everything, 1)
    assert client.reader.waiting
    client.send(everything)
    assert client.reader.waiting
    assert client.got == []
    client.reader.held = False
    assert client.reader.waiting
    client.send(frame(TEXT, b"last"))
    assert client.got == [*all_kinds, *all_kinds, "last"]
    assert not client.reader.waiting


def test_nothing_waits_when_the_last_frame_holds_it() -> None:
    client = Client()
    hold_at(client, "x")
    client.send(frame(TEXT, b"x"))
    assert client.reader.held
    assert not client.reader.waiting
    assert client.goes_on() == []
    assert not client.reader.waiting
    client.send(frame(BINARY, b"y"))
    assert client.reader.waiting
    client.reader.held = False
    assert client.goes_on() == [b"y"]


@pytest.mark.parametrize("kind", KINDS)
def test_held_while_a_frame_is_unfinished(kind: str) -> None:
    received, data = KINDS[kind]
    for cut in range(1, len(data)):
        client = Client()
        client.send(data[:cut])
        assert client.got == []
        assert not client.reader.waiting  # the next bytes must come from the client
        client.reader.held = True
        assert not client.reader.waiting
        client.send(data[cut:])
        assert client.got == []
        assert client.reader.waiting
        client.reader.held = False
        assert client.goes_on() == [received]
        assert not client.reader.waiting


@pytest.mark.parametrize("kind", KINDS)
def test_held_by_a_frame_that_came_in_pieces(kind: str) -> None:
    received, data = KINDS[kind]
    for cut in range(1, len(data)):
        client = Client()
        hold_at(client, received)
        client.send(data[:cut])
        client.send(data[cut:] + frame(BINARY, b"next")[:7])
        assert client.got == [received]
        assert client.reader.waiting
        client.reader.held = False
        assert client.goes_on() == []
        assert not client.reader.waiting
        client.reader.held = True
        client.send(frame(BINARY, b"next")[7:8])
        assert client.reader.waiting  # these bytes may complete the frame
        client.reader.held = False
        client.send(frame(BINARY, b"next")[8:])
        assert client.got == [b"next"]


def test_a_violation_waits_too() -> None:
    client = Client()
    hold_at(client, "x")
    client.send(frame(TEXT, b"x") + frame(TEXT, b"y", rsv=4))
    assert client.got == ["x"]
    client.send(b"")
    client.reader.held = False
    assert client.refused(frame(TEXT, b"z")) == RESERVED
    assert client.got == ["x"]


@pytest.mark.parametrize("kind", KINDS)
def test_callbacks_that_are_replaced_meanwhile(kind: str) -> None:
    client, later = Client(), Client()
    replaced_at = KINDS[kind][0]

    def at(received: Received) -> None:
        if received == replaced_at:
            client.reader.receiver, client.reader.control = later, later.control

    client.at = at
    client.send(everything + everything)
    until = all_kinds.index(replaced_at) + 1
    assert client.got == all_kinds[:until]
    assert later.got == all_kinds[until:] + all_kinds


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_of_a_callback_is_not_the_clients(kind: str) -> None:
    received, data = KINDS[kind]
    client = Client()

    def at(received: Received) -> None:
        b"\xff".decode()

    client.at = at
    with pytest.raises(UnicodeDecodeError):
        client.send(data)
    assert client.got == [received]
