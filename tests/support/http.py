"""A real server with some blueprints, and a client for its routes."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import httpx
from sanic import Blueprint

from msanic_core import hookimpl
from msanic_core.testing import serving


@asynccontextmanager
async def routes(
    *blueprints: Blueprint, settings: Mapping[str, Any] | None = None, **hooks: Callable[..., Any]
) -> AsyncIterator[httpx.AsyncClient]:
    """Serve one plugin, "shop", with these blueprints and further hooks; gives a client for the server's address."""
    functions = {"http_blueprint": lambda: list(blueprints), **hooks}
    plugin = SimpleNamespace(**{name: hookimpl(function) for name, function in functions.items()})
    async with (
        serving({"shop": plugin}, settings) as server,
        httpx.AsyncClient(base_url=server.url, trust_env=False) as client,
    ):
        yield client
