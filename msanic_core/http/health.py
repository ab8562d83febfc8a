"""`/livez`: the process runs. `/readyz`: a load balancer may send traffic to it."""

from collections.abc import Callable

import msgspec
from sanic import Blueprint, HTTPResponse, Request

from msanic_core.engine.base import Engine
from msanic_core.http.mounting import ERROR_FORMAT


def health_routes(engine: Engine, accepting: Callable[[], bool]) -> Blueprint:
    """Make the two routes. `readyz` answers 503 while the server stops and while its store is unavailable."""
    blueprint = Blueprint("msanic_core_health", url_prefix="/")

    @blueprint.get("/livez", error_format=ERROR_FORMAT)
    async def livez(_: Request) -> HTTPResponse:
        return _answer(200, {"live": True})

    @blueprint.get("/readyz", error_format=ERROR_FORMAT)
    async def readyz(_: Request) -> HTTPResponse:
        facts = engine.describe()
        ready = accepting() and bool(facts["healthy"])
        return _answer(200 if ready else 503, {"ready": ready, "draining": not accepting(), "engine": facts})

    return blueprint


def _answer(status: int, facts: dict[str, object]) -> HTTPResponse:
    return HTTPResponse(msgspec.json.encode(facts), status, content_type="application/json")
