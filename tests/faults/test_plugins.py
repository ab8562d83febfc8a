"""The frame of the fault tests as a whole: a server, clients and pushes write a history in which all is well."""

import asyncio
from pathlib import Path

import httpx

from tests.faults.checker import check
from tests.faults.history import read_history
from tests.faults.plugins import OFFLINE_PLUGINS
from tests.faults.stage import stage

SETTINGS = {"offline.yield_after": 0.1, "offline.cancel_after": 0.3}


def test_pushes_a_replacement_a_kick_and_a_reconnect_are_a_history_in_which_all_is_well(tmp_path: Path) -> None:
    async def run() -> None:
        async with stage(tmp_path, SETTINGS) as set_up:
            node = await set_up.nodes.start()
            old = await set_up.client(node, "ada")
            ada = await set_up.client(node, "ada")
            assert await old.until_closed() == 4503
            who = (await ada.ask("fault.who"))["data"]
            assert who == {"session": ada.session, "user": "ada", "node": who["node"], "pid": node.pid}
            bob = await set_up.client(node, "bob")
            assert (await bob.ask("fault.push", {"user": "ada", "number": 1}))["data"] == {"id": 1}
            await ada.until_received(1)
            await ada.close()
            async with httpx.AsyncClient() as http:
                answer = await http.post(f"{node.url}/fault/push", json={"user": "ada", "number": 2})
                assert answer.json() == {"id": 2}
            ada = await set_up.client(node, "ada")
            await ada.until_received(2)
            assert ada.received == [2]
            assert (await ada.ask("fault.kick", {"user": "bob"}))["data"] == {"kicked": 1}
            assert await bob.until_closed() == 4504
            # Old, ada before she came back, bob: hers now is still open.
            ends = await set_up.until("offline_end", 9)
            assert {end["plugin"] for end in ends} == set(OFFLINE_PLUGINS)
            assert check(read_history(set_up.path), OFFLINE_PLUGINS) == []
            await ada.close()
            await set_up.until("offline_end", 12)
            assert check(read_history(set_up.path), OFFLINE_PLUGINS) == []

    asyncio.run(run())


def test_what_a_memory_engine_forgets_with_its_process_is_found(tmp_path: Path) -> None:
    async def run() -> None:
        async with stage(tmp_path, SETTINGS) as set_up:
            node = await set_up.nodes.start()
            ada = await set_up.client(node, "ada")
            await ada.ask("fault.push", {"user": "ada", "number": 1})
            await ada.until_received(1)
            await ada.close()
            await set_up.until("offline_end", 3)
            bob = await set_up.client(node, "bob")
            assert (await bob.ask("fault.push", {"user": "ada", "number": 2}))["data"] == {"id": 2}
            await node.kill()
            set_up.history.record("killed", target=node.pid)
            assert await bob.until_closed() is None
            node = await set_up.nodes.start(node.port)
            ada = await set_up.client(node, "ada")
            found = check(read_history(set_up.path), OFFLINE_PLUGINS)
            assert [violation.rule for violation in found] == ["offline"] * 3 + ["delivery"]
            assert {violation.text for violation in found[:3]} == {
                f"session {bob.session}: it was lost, and plugin {name} was never told" for name in OFFLINE_PLUGINS
            }
            assert found[3].text == "message 2 (id 2) of ada never came to client 'phone' of ada"
            await ada.close()

    asyncio.run(run())
