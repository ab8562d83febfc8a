"""When and why a user was last seen is in the database, however the connection was lost."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import connect as websocket

from msanic_core.client import Client
from msanic_core.testing import ServerProcess, serve_nodes


async def seen(url: str, note_id: int, user: str) -> Any:
    """What the server at this address says of a user who has the note, as soon as it says something."""
    async with httpx.AsyncClient(trust_env=False) as client:
        while True:
            answer = await client.get(f"{url}/v1/notes/{note_id}", params={"user": "ada"})
            (found,) = [each for each in answer.json()["data"]["members"] if each["user"] == user]
            if found["seen_at"] is not None:
                return found
            await asyncio.sleep(0.02)


async def shared_note(url: str) -> int:
    """A note of ada's that bob has too."""
    async with httpx.AsyncClient(base_url=f"{url}/v1/notes", params={"user": "ada"}, trust_env=False) as client:
        note_id: int = (await client.post("/", json={"title": "Tea"})).json()["data"]["id"]
        await client.post(f"/{note_id}/members", json={"user": "bob"})
        return note_id


def test_who_goes_was_seen_then(serve: Any, connect: Any) -> None:
    async def main() -> None:
        async with serve({"ws": {"sessions": "multi"}}) as server:
            note_id = await shared_note(server.url)
            stays, goes = await connect(server, "bob"), await connect(server, "bob")
            await goes.connection.close()
            # Answered after the hook has had its turn, for the same user: there is still a session.
            for _ in range(3):
                assert (await stays.data("notes.get", id=note_id))["members"][1]["seen_at"] is None
            before = datetime.now(UTC)
            await stays.connection.close()
            found = await seen(server.url, note_id, "bob")
            assert found["seen_reason"] == "closed"
            assert before <= datetime.fromisoformat(found["seen_at"]) <= datetime.now(UTC)
            again = await connect(server, "bob")
            await server.server.kick("bob")
            await again.connection.wait_closed()
            while (found := await seen(server.url, note_id, "bob"))["seen_reason"] != "kicked":
                await asyncio.sleep(0.02)

    asyncio.run(main())


@asynccontextmanager
async def two_nodes(tmp_path: Path, redis_url: str, database_url: str) -> AsyncIterator[list[ServerProcess]]:
    settings = {"redis.url": redis_url, "redis.lease": 1.0, "redis.timeout": 0.5, "db.url": database_url}
    async with serve_nodes(tmp_path, {**settings, "plugins.load": ["notes"]}) as nodes:
        yield [await nodes.start(), await nodes.start()]


def test_who_was_on_a_killed_process_was_seen_too(tmp_path: Path, redis_url: str, database_url: str) -> None:
    async def main() -> None:
        async with two_nodes(tmp_path, redis_url, database_url) as (first, second):
            note_id = await shared_note(second.url)
            before = datetime.now(UTC)
            async with websocket(first.websocket_url("user=bob"), proxy=None) as socket:
                # Answered when the session is known to all.
                await socket.send('{"cmd": "notes.list", "data": {}, "req": 1}')
                await socket.recv()
                await first.kill()
                found = await seen(second.url, note_id, "bob")
            assert found["seen_reason"] == "crashed"
            assert before <= datetime.fromisoformat(found["seen_at"]) <= datetime.now(UTC)

    asyncio.run(main())


def test_who_was_there_at_a_stop_was_seen(tmp_path: Path, redis_url: str, database_url: str) -> None:
    async def main() -> None:
        async with two_nodes(tmp_path, redis_url, database_url) as (first, second):
            note_id = await shared_note(second.url)
            async with Client(first.websocket_url(), user="bob"):
                first.signal(signal.SIGTERM)
                assert await first.exit_code() == 0
                assert (await seen(second.url, note_id, "bob"))["seen_reason"] == "shutdown"

    asyncio.run(main())
