"""Any stream, in any pieces, held at any time; reading without the compiled mask; and the cost of reading."""

import importlib.util
import struct
import sys
import tracemalloc
from random import Random

import pytest

from msanic_core.wire import (
    BINARY,
    PING,
    TEXT,
    MessageReader,
)
from tests.support.reader_streams import (
    KEY,
    MEGABYTE,
    NO_LIMIT,
    Client,
    any_broken_stream,
    any_pieces,
    any_stream,
    frame,
    many_streams,
    unhurried,
)


@unhurried
@many_streams
def test_any_pieces_give_what_was_sent(random: Random, length: int) -> None:
    frames, meaning = any_stream(random, length)
    pieces = any_pieces(random, b"".join(frames))
    assert Client().outcome(pieces) == (meaning, "")
    sizes = [len(got.encode() if isinstance(got, str) else got) for got in meaning if not isinstance(got, tuple)]
    assert Client(max_message=max([1, *sizes]), max_fragments=4).outcome(pieces) == (meaning, "")


@unhurried
@many_streams
def test_pieces_are_refused_as_the_whole_is(random: Random, length: int) -> None:
    sent = any_broken_stream(random, length)
    max_message, max_fragments = random.choice([1, 10, 124, 125, 126, 300]), random.randint(1, 4)
    whole = Client(max_message, max_fragments).outcome([sent])
    assert Client(max_message, max_fragments).outcome(any_pieces(random, sent)) == whole


@unhurried
@many_streams
def test_nothing_is_lost_when_it_is_held(random: Random, length: int) -> None:
    """`received` asserts that nothing comes while the reader is held."""
    frames, meaning = any_stream(random, length)
    client = Client(holds=frozenset(random.choices(range(1, 10), k=3)))
    for piece in any_pieces(random, b"".join(frames)):
        held = client.reader.held = random.choice([client.reader.held, True, False])
        before = len(client.got)
        client.send(piece)
        if held:
            assert len(client.got) == before
            assert client.reader.waiting or not piece
        elif not client.reader.held:
            assert not client.reader.waiting
        assert client.got == meaning[: len(client.got)]
    client.reader.held = False
    while client.reader.waiting:
        client.send(b"")
        client.reader.held = False
    assert client.got == meaning


@pytest.mark.parametrize("size", [*range(10), 124, 125, 126, 65535, 65536])
@pytest.mark.parametrize("key", [bytes(4), b"\x01\x02\x03\x04", b"\xff\x00\x80\x7f", b"\xff" * 4], ids=bytes.hex)
def test_masking_keys(key: bytes, size: int) -> None:
    payload = bytes(index * 7 % 256 for index in range(size))
    text = bytes(byte & 0x7F for byte in payload)
    frames = [frame(BINARY, True, payload, key), frame(TEXT, True, text, key), frame(PING, True, payload[:125], key)]
    assert Client().outcome([b"".join(frames)]) == ([payload, text.decode(), (PING, payload[:125])], "")


@pytest.mark.interpreted
def test_without_the_compiled_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "websockets.speedups", None)
    spec = importlib.util.find_spec("msanic_core.wire.reader")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.apply_mask.__module__ == "websockets.utils"
    client = Client()
    reader = module.MessageReader(NO_LIMIT, 1, client, client.control)
    reader.feed(frame(TEXT, True, b"short", KEY) + frame(BINARY, True, bytes(300), KEY))
    assert client.got == ["short", bytes(300)]


# The cost of reading


class CountingReader(MessageReader):
    """Counts how often it processes a frame."""

    __slots__ = ("looks",)

    looks: int

    def _frame(self, data: bytes, position: int, end: int) -> int | None:
        self.looks += 1
        return super()._frame(data, position, end)


@pytest.mark.interpreted
def test_a_short_text_is_read_without_a_look_at_its_frame() -> None:
    """This is the usual case, and most of its cost."""
    client = Client()
    reader = CountingReader(125, 1, client, client.control)
    reader.looks = 0
    for size in (1, 2, 124, 125):
        reader.feed(frame(TEXT, True, b"x" * size, KEY) * 2)
    assert [len(message) for message in client.got] == [1, 1, 2, 2, 124, 124, 125, 125]
    assert reader.looks == 0


@pytest.mark.interpreted
def test_a_frame_in_single_bytes_is_looked_at_only_when_there_is_something_to_see() -> None:
    client = Client()
    reader = CountingReader(MEGABYTE, 1, client, client.control)
    reader.looks = 0
    for byte in struct.pack("!BBQ", 0x81, 0xFF, MEGABYTE) + bytes(4 + MEGABYTE):
        reader.feed(bytes((byte,)))
    assert [len(message) for message in client.got] == [MEGABYTE]
    # One byte, the header of two bytes, the length, the whole.
    assert reader.looks <= 4


def test_what_is_kept_of_a_frame_is_not_copied_for_each_byte() -> None:
    """A copy would need the memory twice for a moment."""
    client = Client()
    data = frame(BINARY, True, bytes(MEGABYTE), bytes(4))
    tracemalloc.start()
    try:
        client.reader.feed(data[:10])
        assert tracemalloc.get_traced_memory()[1] < 10_000  # no memory is reserved for an announced length
        half = len(data) // 2
        client.reader.feed(data[10:half])
        tracemalloc.reset_peak()
        for _ in range(1000):
            client.reader.feed(b"\0")
        assert tracemalloc.get_traced_memory()[1] < 1.4 * half
        client.reader.feed(data[half + 1000 :] + data[:10])
        assert client.got == [bytes(MEGABYTE)]
        client.got.clear()
        assert tracemalloc.get_traced_memory()[0] < 10_000  # the start of the next frame keeps nothing of the first
    finally:
        tracemalloc.stop()
