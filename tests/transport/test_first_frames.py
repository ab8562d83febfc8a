"""The kind of frame for pushes: it depends on the subprotocol, or on `[ws] json_frames`."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import msgpack
import pytest

from msanic_core.testing import serving

if TYPE_CHECKING:
    from tests.support.raw_clients import Raw

TEXT, BINARY = 1, 2


@pytest.mark.parametrize("json_frames", ["text", "binary"])
@pytest.mark.parametrize("subprotocol", [None, "msanic.v1.json", "msanic.v1.msgpack"])
def test_frames_of_what_a_client_has_not_asked_for(raw: Raw, json_frames: str, subprotocol: str | None) -> None:
    """The setting applies without a subprotocol, also to replies to text; other replies are as their requests."""

    async def main() -> None:
        settings = {"ws": {"json_frames": json_frames}}
        async with serving({}, settings) as server, raw(server.port) as client:
            await server.server.push("ada", "shop.waiting", 1)
            await client.send(client.handshake("/ws?user=ada", Sec_WebSocket_Protocol=subprotocol))
            assert (await client.head())[0] == 101
            frames = [await client.next_frame() for _ in range(1 if subprotocol is None else 2)]
            await server.server.push("ada", "shop.durable", 2)
            await server.server.push("ada", "shop.passing", 3, durable=False)
            await server.server.broadcast(None, "shop.broadcast", 4)
            frames += [await client.next_frame() for _ in range(3)]
            expected = {None: TEXT if json_frames == "text" else BINARY, "msanic.v1.json": TEXT}
            assert {opcode for opcode, _ in frames} == {expected.get(subprotocol, BINARY)}
            decode = msgpack.unpackb if subprotocol == "msanic.v1.msgpack" else json.loads
            assert [decode(payload)["data"] for _, payload in frames][-4:] == [1, 2, 3, 4]
            for opcode in (TEXT, BINARY, TEXT):
                await client.send_frame(opcode, '{"cmd":1001,"data":5}')
                answered, payload = await client.next_frame()
                by_setting = subprotocol is None and json_frames == "binary"
                assert (answered, json.loads(payload)["data"]) == (BINARY if by_setting else opcode, 5)

    asyncio.run(main())


@pytest.mark.parametrize(("json_frames", "opcode"), [("text", TEXT), ("binary", BINARY)])
def test_frames_of_a_reject(raw: Raw, json_frames: str, opcode: int) -> None:
    async def main() -> None:
        ws = {"json_frames": json_frames, "handshake_time": "require"}
        async with serving({}, {"ws": ws}) as server, raw(server.port) as client:
            await client.send(client.handshake())
            assert (await client.head())[0] == 101
            told, payload = await client.next_frame()
            assert (told, json.loads(payload)["cmd"]) == (opcode, 1002)
            assert (await client.close_frame())[0] == 4501

    asyncio.run(main())
