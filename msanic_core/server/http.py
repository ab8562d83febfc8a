"""Plugins' HTTP routes: where they are mounted, and one form for every error."""

import logging
import re
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from sanic import Blueprint, HTTPResponse, Request, Sanic
from sanic.exceptions import SanicException
from sanic_routing.exceptions import BaseException as SanicRoutingError

from msanic_core.codes import REPLY_CODES, ReplyCode
from msanic_core.context import Server
from msanic_core.errors import DATABASE_AWAY, CommandError, PluginError, StoreUnavailableError
from msanic_core.plugins import Implementation

log = logging.getLogger("msanic_core.http")

ERROR_FORMAT = "json"
"""Of the core's own routes. Where a route says none, Sanic reads the handler's source for it, which takes its time."""

_PARAMETER = re.compile(r"<\w+(:str(?=>))?")
_CODES_BY_STATUS = {REPLY_CODES[code].http_status: code for code in ReplyCode if code is not ReplyCode.PASS}


def error_response(
    code: int,
    hint: str = "",
    *,
    data: object = None,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> HTTPResponse:
    """The envelope `{code, data, hint}` as a response. `status`: by default the code's own, or 400."""
    row = REPLY_CODES.get(code)
    body = msgspec.json.encode({"code": int(code), "data": data, "hint": hint or (row.hint if row else "")})
    return HTTPResponse(
        body, status or (row.http_status if row else 400), dict(headers or {}), content_type="application/json"
    )


def answer_error(request: Request, error: Exception) -> HTTPResponse:
    """Turn an exception of a route into the envelope. What is not meant for clients stays in the log, under an id."""
    if isinstance(error, StoreUnavailableError):
        return error_response(error.code, error.hint, status=503)
    if isinstance(error, CommandError):
        return error_response(error.code, error.hint, data=error.data)
    if request.app.ctx.msanic.db.is_away(error):
        log.warning("%s %s: the database is away: %s", request.method, request.path, error)
        return error_response(ReplyCode.TEND, DATABASE_AWAY, status=503)
    if isinstance(error, SanicException) and error.status_code < 500:
        code = _CODES_BY_STATUS.get(error.status_code, ReplyCode.FAIL)
        hint = str(error) or "the request failed"
        return error_response(code, hint, status=error.status_code, headers=getattr(error, "headers", None))
    error_id = uuid.uuid4().hex[:12]
    log.error("error %s in %s %s", error_id, request.method, request.path, exc_info=error)
    status = error.status_code if isinstance(error, SanicException) else 500
    return error_response(ReplyCode.FAIL, f"internal error {error_id}", status=status)


def mount(app: "Sanic[Any, Any]", implementations: Iterable[Implementation], server: Server) -> None:
    """Mount every plugin's blueprints, by default below the plugin's name.

    A blueprint with a `url_prefix` of its own keeps it ("/" is the root). Raises `PluginError` naming both sides when
    a blueprint's name or a route's path is taken.
    """
    names = dict.fromkeys(app.blueprints, "the core")
    routes = dict.fromkeys(_routes(app), "the core")
    for implementation in implementations:
        plugin = implementation.plugin
        for blueprint in _blueprints(implementation, server):
            owner = names.get(blueprint.name)
            if owner == plugin.name:
                raise PluginError(
                    f"plugin {owner}: two of its blueprints are named {blueprint.name!r}; rename one", (owner,)
                )
            if owner is not None:
                raise PluginError(
                    f"plugins {owner} and {plugin.name}: both have a blueprint named {blueprint.name!r}; rename one, "
                    f"or block one plugin with [plugins] block",
                    (owner, plugin.name),
                )
            names[blueprint.name] = plugin.name
            if blueprint.url_prefix is None:
                blueprint.url_prefix = f"/{plugin.name}"
            _mount_one(app, blueprint, plugin.name, routes)


def _blueprints(implementation: Implementation, server: Server) -> list[Blueprint]:
    name = implementation.plugin.name
    try:
        given = implementation.call(server=server)
    except Exception as error:
        raise PluginError(f"plugin {name}: http_blueprint raised {type(error).__name__}: {error}", (name,)) from error
    blueprints = [given] if isinstance(given, Blueprint) else given
    if not isinstance(blueprints, list) or not all(isinstance(each, Blueprint) for each in blueprints):
        raise PluginError(
            f"plugin {name}: http_blueprint must return a Blueprint or a list of them, not {type(given).__name__}",
            (name,),
        )
    return blueprints


def _mount_one(app: "Sanic[Any, Any]", blueprint: Blueprint, plugin: str, routes: dict[tuple[str, str], str]) -> None:
    try:
        own = _routes_of(blueprint)
        for path, method in own:
            if owner := routes.get((path, method)):
                raise PluginError(
                    f"plugins {owner} and {plugin}: both answer {method} {path}; give blueprint {blueprint.name!r} "
                    f"another url_prefix, or block one plugin with [plugins] block",
                    (owner, plugin),
                )
        app.blueprint(blueprint)
    except SanicRoutingError as error:
        raise PluginError(
            f"plugin {plugin}: blueprint {blueprint.name!r} cannot be mounted: {error}", (plugin,)
        ) from error
    routes.update(dict.fromkeys(own, plugin))


def _routes_of(blueprint: Blueprint) -> list[tuple[str, str]]:
    """What a blueprint would answer, found out on an app that is thrown away."""
    scratch = Sanic("msanic_core_scratch", configure_logging=False)
    try:
        scratch.blueprint(blueprint)
        return _routes(scratch)
    finally:
        Sanic.unregister_app(scratch)


def _routes(app: "Sanic[Any, Any]") -> list[tuple[str, str]]:
    # Paths that differ only in what they call their parameters are the same path.
    return [(_PARAMETER.sub("<", f"/{route.path}"), method) for route in app.router.routes for method in route.methods]
