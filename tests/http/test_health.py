"""`/livez` and `/readyz`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from msanic_core.testing import serving

if TYPE_CHECKING:
    import pytest

    from tests.support.raw_clients import Raw


def test_a_server_that_runs_is_live_and_ready(raw: Raw) -> None:
    async def main() -> None:
        async with serving({}) as server, raw(server.port) as client:
            status, headers, body = await client.request("GET", "/livez")
            assert (status, headers["content-type"], body) == (200, "application/json", {"live": True})
            status, _, body = await client.request("GET", "/readyz")
            assert (status, body["ready"], body["draining"]) == (200, True, False)
            assert body["engine"]["name"] == "memory"

    asyncio.run(main())


def test_a_draining_server_is_live_but_not_ready(raw: Raw) -> None:
    async def main() -> None:
        async with serving({}) as server, raw(server.port) as client:
            server.node.admission.accepting = False
            assert (await client.request("GET", "/livez"))[0] == 200
            status, _, body = await client.request("GET", "/readyz")
            assert (status, body["ready"], body["draining"]) == (503, False, True)

    asyncio.run(main())


def test_a_server_without_its_store_is_live_but_not_ready(raw: Raw, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with serving({}) as server, raw(server.port) as client:
            facts: dict[str, Any] = {**server.node.engine.describe(), "healthy": False}
            monkeypatch.setattr(server.node.engine, "describe", lambda: facts)
            assert (await client.request("GET", "/livez"))[0] == 200
            status, _, body = await client.request("GET", "/readyz")
            assert (status, body["ready"], body["draining"], body["engine"]["healthy"]) == (503, False, False, False)

    asyncio.run(main())
