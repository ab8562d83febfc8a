"""Notes by HTTP, on every database."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import httpx
import msgpack
import pytest


@asynccontextmanager
async def client(server: Any, user: str = "ada") -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"{server.url}/v1/notes", params={"user": user}, trust_env=False) as found:
        yield found


def run(main: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        await main()

    asyncio.run(limited())


def test_a_note_is_added_read_edited_and_removed(serve: Any) -> None:
    async def main() -> None:
        async with serve() as server, client(server) as ada:
            answer = await ada.post("/", json={"title": "Tea"})
            note = answer.json()["data"]
            assert answer.json() == {"code": 0, "data": note, "hint": ""}
            path = f"/{note['id']}"
            assert (await ada.get(path)).json()["data"]["note"] == note
            edited = (await ada.patch(path, json={"version": 1, "text": "hot"})).json()["data"]
            assert edited == {**note, "text": "hot", "version": 2, "updated_at": edited["updated_at"]}
            late = await ada.patch(path, json={"version": 1, "text": "cold"})
            assert (late.status_code, late.json()) == (
                409,
                {"code": 101, "data": edited, "hint": "version 1 is no longer there, the note has version 2"},
            )
            assert (await ada.delete(path)).json() == {"code": 0, "data": None, "hint": ""}
            gone = await ada.get(path)
            assert (gone.status_code, gone.json()["hint"]) == (404, f"you have no note {note['id']}")

    run(main)


def test_pages_of_a_time(serve: Any) -> None:
    async def main() -> None:
        async with serve() as server, client(server) as ada, client(server, "bob") as bob:
            notes = [(await ada.post("/", json={"title": title})).json()["data"] for title in "cab"]
            await bob.post("/", json={"title": "of bob"})
            newest = (await ada.get("/", params={"size": 2})).json()
            assert ([each["title"] for each in newest["data"]], newest["total"]) == (["b", "a"], 3)
            assert "text" not in newest["data"][0]
            by_title = await ada.get("/", params={"order": ["-title"], "page": 2, "size": 2})
            assert [each["title"] for each in by_title.json()["data"]] == ["a"]
            second = datetime.fromisoformat(notes[1]["created_at"])
            within = {"start": second.isoformat(), "end": notes[2]["created_at"]}
            assert [each["title"] for each in (await ada.get("/", params=within)).json()["data"]] == ["a"]
            elsewhere = (second + timedelta(hours=9)).replace(tzinfo=None).isoformat() + "+09:00"
            assert (await ada.get("/", params={"start": elsewhere})).json()["total"] == 2
            packed = await ada.get("/", headers={"Accept": "application/msgpack"})
            assert msgpack.unpackb(packed.content)["total"] == 3

    run(main)


def test_who_has_a_note_by_socket_is_told_of_changes_by_http(serve: Any, connect: Any) -> None:
    async def main() -> None:
        async with serve() as server, client(server) as ada, client(server, "bob") as bob:
            socket = await connect(server, "bob")
            note = (await ada.post("/", json={"title": "Tea"})).json()["data"]
            assert (await ada.post(f"/{note['id']}/members", json={"user": "bob"})).status_code == 200
            assert await socket.push() == ("notes.shared", {"note": note, "user": "bob"})
            refused = await bob.delete(f"/{note['id']}")
            assert (refused.status_code, refused.json()["code"]) == (403, 15)

    run(main)


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "code"),
    [
        ("GET", "/", {"params": {"size": 0}}, 422, 12),
        ("GET", "/", {"params": {"start": "2026-01-02T00:00:00Z", "end": "2026-01-01T00:00:00Z"}}, 422, 12),
        ("POST", "/", {"json": {"title": ""}}, 422, 12),
        ("POST", "/", {"content": "title"}, 415, 11),
        ("PATCH", "/1", {"json": {"text": "without a version"}}, 422, 12),
        ("GET", "/1", {}, 404, 11),
        ("GET", "/0", {}, 404, 11),
        ("GET", "/-1", {}, 404, 11),
        ("GET", f"/{2**63}", {}, 404, 11),
        ("DELETE", f"/{10**400}", {}, 404, 11),
        ("GET", "/tea", {}, 404, 11),
        ("PUT", "/1", {}, 405, 11),
    ],
)
def test_what_does_not_fit(serve: Any, method: str, path: str, options: Any, status: int, code: int) -> None:
    async def main() -> None:
        async with serve() as server, client(server) as ada:
            answer = await ada.request(method, path, **options)
            assert (answer.status_code, answer.json()["code"]) == (status, code)

    run(main)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_all_routes_want_a_login_and_are_described(serve: Any) -> None:
    async def main() -> None:
        async with serve({"auth": {"mode": "plugin"}}) as server, client(server) as nobody:
            document = (await nobody.get(f"{server.url}/openapi.json")).json()
            paths = document["paths"]
            assert {path: sorted(paths[path]) for path in paths} == {
                "/v1/notes": ["get", "post"],
                "/v1/notes/activity": ["get"],
                "/v1/notes/{note_id}": ["delete", "get", "patch"],
                "/v1/notes/{note_id}/members": ["post"],
            }
            for path, item in paths.items():
                for method, operation in item.items():
                    assert operation["security"] == [{"login": []}]
                    answer = await nobody.request(method, server.url + path.format(note_id=1))
                    assert (answer.status_code, answer.json()["code"]) == (401, 13)
            parameters = [each["name"] for each in paths["/v1/notes"]["get"]["parameters"]]
            assert parameters == ["page", "size", "order", "start", "end"]
            schemas = document["components"]["schemas"]
            assert schemas["Add"]["properties"]["title"]["maxLength"] == 200
            listed = paths["/v1/notes"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
            assert listed["properties"]["data"]["items"] == {"$ref": "#/components/schemas/Listed"}
            assert "text" not in schemas["Listed"]["properties"]

    run(main)
