"""Mounts the plugins' routes in the Sanic app, and sets what all responses have in common."""

import re
from collections.abc import Iterable
from typing import Any

import msgspec
from sanic import Blueprint, HTTPResponse, Request, Sanic
from sanic.exceptions import MethodNotAllowed
from sanic_routing.exceptions import BaseException as SanicRoutingError

from msanic_core.config.sections import HttpSettings
from msanic_core.context import Server
from msanic_core.errors import PluginError
from msanic_core.http.answer import JSON
from msanic_core.http.cors import Cors
from msanic_core.http.decorators import wants_login
from msanic_core.http.endpoint import Endpoints, operations_of
from msanic_core.http.error_answers import answer_error
from msanic_core.http.openapi import DocumentedRoute, make_document
from msanic_core.http.path import parameters_in
from msanic_core.plugins.plugin import Implementation

ERROR_FORMAT = "json"
"""Of the core's own routes. Without it Sanic reads the handler's source to find the format, which is slow."""

_PARAMETER = re.compile(r"<\w+(:str(?=>))?")


def prepare(app: "Sanic[Any, Any]", settings: HttpSettings) -> None:
    """Set the form of errors and the CORS headers for all responses of the app."""
    cors = Cors(settings.cors_origins, credentials=settings.cors_credentials, max_age=settings.cors_max_age)
    app.error_handler.add(Exception, answer_error)
    app.error_handler.add(MethodNotAllowed, cors.answer_method)
    if cors.enabled:
        app.register_middleware(cors.mark, "response")


def mount(
    app: "Sanic[Any, Any]",
    implementations: Iterable[Implementation],
    server: Server,
    endpoints: Endpoints,
    settings: HttpSettings,
) -> None:
    """Mount every plugin's blueprints, by default below the plugin's name.

    A blueprint with its own `url_prefix` keeps it ("/" is the root). `[http] openapi` is the path of a document of all
    routes. Raises `PluginError` if two blueprints have the same name or two routes the same path (the text names both
    plugins), or if a handler's declaration is invalid (it names the handler).
    """
    documented: list[DocumentedRoute] = []
    if settings.openapi:
        handler = _document_handler(documented, settings)
        app.add_route(handler, settings.openapi, name="openapi", error_format=ERROR_FORMAT)
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
            known = {id(route) for route in app.router.routes}
            _mount_one(app, blueprint, plugin.name, routes)
            added = [route for route in app.router.routes if id(route) not in known]
            documented += [_equip(route, plugin.name, wants_login(blueprint), endpoints) for route in added]


def _equip(route: Any, plugin: str, login: bool, endpoints: Endpoints) -> DocumentedRoute:
    """Wrap the handler of a route as it declares."""
    try:
        operations = operations_of(route.handler, route.methods, f"plugin {plugin}", login=login)
        route.handler = endpoints.equip(route.handler, operations, parameters_in(route.parts), f"plugin {plugin}")
    except PluginError as error:
        raise PluginError(str(error), (plugin,)) from error
    shown = {} if route.extra.static or hasattr(route.handler, "is_websocket") else operations
    return DocumentedRoute(plugin, route.name.partition(".")[2], route.parts, shown)


def _document_handler(routes: list[DocumentedRoute], settings: HttpSettings) -> Any:
    made: list[bytes] = []

    async def openapi(_: Request) -> HTTPResponse:
        # Made at the first request: the start does not need it.
        if not made:
            shown = [each for each in routes if each.operations]
            made.append(msgspec.json.encode(make_document(shown, settings.api_title, settings.api_version)))
        return HTTPResponse(made[0], content_type=JSON)

    return openapi


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
    """Return (path, method) of each route of a blueprint, found with a temporary app."""
    scratch = Sanic("msanic_core_scratch", configure_logging=False)
    try:
        scratch.blueprint(blueprint)
        return _routes(scratch)
    finally:
        Sanic.unregister_app(scratch)


def _routes(app: "Sanic[Any, Any]") -> list[tuple[str, str]]:
    # Paths that differ only in the names of their parameters are the same path.
    return [(_PARAMETER.sub("<", f"/{route.path}"), method) for route in app.router.routes for method in route.methods]
