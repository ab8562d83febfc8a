import msgpack
import pytest

from msanic_core.wire import BINARY, SUBPROTOCOL_NAMES, TEXT, Codecs, EnvelopeError


def test_by_subprotocol() -> None:
    codecs = Codecs()
    assert SUBPROTOCOL_NAMES == ("msanic.v1.json", "msanic.v1.msgpack")
    assert [codecs.by_subprotocol(name).name for name in SUBPROTOCOL_NAMES] == ["json", "msgpack"]
    assert codecs.by_subprotocol("msanic.v1.msgpack") is codecs.msgpack
    assert codecs.by_subprotocol(None) is codecs.json


def test_frames_of_json_for_who_negotiated_nothing() -> None:
    codecs = Codecs(json_frames="binary")
    assert codecs.by_subprotocol(None) is codecs.binary_json
    assert [codecs.by_subprotocol(name) for name in SUBPROTOCOL_NAMES] == [codecs.json, codecs.msgpack]


def test_every_codec_has_a_name_of_its_own() -> None:
    codecs = Codecs()
    assert [codec.name for codec in codecs.all] == ["json", "binary-json", "msgpack"]
    assert [codec.opcode for codec in codecs.all] == [TEXT, BINARY, BINARY]


@pytest.mark.parametrize("name", ["", "json", "msanic.v2.json", "MSANIC.V1.JSON"])
def test_unknown_subprotocol(name: str) -> None:
    with pytest.raises(KeyError):
        Codecs().by_subprotocol(name)


def test_limits_reach_the_codec() -> None:
    three_deep = msgpack.packb({"cmd": 1, "data": [[1]]})
    Codecs(max_containers=3, max_depth=3).msgpack.decode(three_deep)
    with pytest.raises(EnvelopeError, match="more than 2 levels"):
        Codecs(max_containers=3, max_depth=2).msgpack.decode(three_deep)
    with pytest.raises(EnvelopeError, match="more than 2 maps"):
        Codecs(max_containers=2, max_depth=3).msgpack.decode(three_deep)
