"""Wraps a plugin's handler for Sanic: login, path, query and body before the call, the envelope after it."""

import functools
import inspect
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, NamedTuple

import msgspec
from sanic import Request
from sanic.response import BaseHTTPResponse, ResponseStream

from msanic_core.commands.signature import NO_DATA, annotated_type, check_data_type, path_of, signature_of
from msanic_core.db.pages import Page
from msanic_core.errors import PluginError
from msanic_core.http.answer import reply
from msanic_core.http.decorators import declared
from msanic_core.http.path import PathDecoder, path_types
from msanic_core.http.query_string import QueryDecoder
from msanic_core.http.request_body import BodyDecoder
from msanic_core.identity import Identity
from msanic_core.wire import MsgpackCodec

Identify = Callable[[Request], Awaitable[Identity]]
"""Returns who sends the request. An exception becomes the error response."""


class Operation(NamedTuple):
    """One method of one route: its function, and what the function takes.

    `query`: the Struct for the query string, or None. `body`: the type of the body, or `NO_DATA`.
    """

    function: Callable[..., Any]
    query: type[msgspec.Struct] | None
    body: Any
    login: bool


class _Arguments(NamedTuple):
    login: bool
    path: PathDecoder | None
    query: QueryDecoder | None
    body: BodyDecoder | None


class Endpoints:
    """Wraps the handlers of all routes of a node."""

    def __init__(self, identify: Identify, codec: MsgpackCodec) -> None:
        self._identify = identify
        self._codec = codec

    def equip(
        self, handler: Callable[..., Any], operations: Mapping[str, Operation], parameters: Collection[str], where: str
    ) -> Callable[..., Any]:
        """Return the handler for Sanic.

        `operations`: by method. `parameters`: the names of the path's parameters. `where`: names the plugin in errors.
        Raises `PluginError` if msgspec does not support a type.
        """
        arguments = {method: self._arguments(operation, parameters, where) for method, operation in operations.items()}
        identify = self._identify

        @functools.wraps(handler)
        async def endpoint(request: Request, *args: Any, **kwargs: Any) -> Any:
            wanted = arguments[request.method]
            if wanted.login:
                request.ctx.identity = await identify(request)
            if wanted.path is not None:
                wanted.path(kwargs)
            if wanted.query is not None:
                kwargs["query"] = wanted.query(request)
            if wanted.body is not None:
                kwargs["body"] = wanted.body(request)
            result = handler(request, *args, **kwargs)
            if inspect.isawaitable(result):
                result = await result
            return _answer(result)

        return endpoint

    def _arguments(self, operation: Operation, parameters: Collection[str], where: str) -> _Arguments:
        function, query, body, login = operation
        where = f"{where}: {path_of(function)}"
        try:
            query_decoder = None if query is None else QueryDecoder(query)
        except TypeError as error:
            raise PluginError(f"{where}: its `query` cannot be read from a query string: {error}") from error
        types = path_types(function, parameters)
        for type_ in types.values():
            check_data_type(type_, where)
        path_decoder = PathDecoder(types) if types else None
        return _Arguments(
            login, path_decoder, query_decoder, None if body is NO_DATA else BodyDecoder(body, self._codec)
        )


def _answer(result: Any) -> Any:
    """Return the response for a handler's result: a response as it is, a `Page` as items and total, else as data."""
    # Leave None to Sanic: the handler may have sent the response itself.
    if result is None or isinstance(result, BaseHTTPResponse | ResponseStream):
        return result
    return reply(result.items, total=result.total) if isinstance(result, Page) else reply(result)


def operations_of(
    handler: Callable[..., Any], methods: frozenset[str], where: str, *, login: bool
) -> dict[str, Operation]:
    """Return the operation of each method of a route. In a class-based view the function is the method of that name.

    `where`: names the plugin in errors. `login`: whether the whole blueprint requires a login. Raises `PluginError` if
    a decorated handler has no such parameter, or its annotation is not a valid type.
    """
    view: type | None = getattr(handler, "view_class", None)
    outer = declared(handler)
    found = {}
    for method in sorted(methods):
        function = getattr(view, method.lower(), handler)
        inner = declared(function)
        here = f"{where}: {path_of(function)}"
        found[method] = Operation(
            function,
            _query_type(function, here) if inner.query or outer.query else None,
            _parameter_type(function, "body", here) if inner.body or outer.body else NO_DATA,
            login or inner.login or outer.login,
        )
    return found


def _query_type(function: Callable[..., Any], where: str) -> type[msgspec.Struct]:
    type_ = _parameter_type(function, "query", where)
    if not (isinstance(type_, type) and issubclass(type_, msgspec.Struct)):
        raise PluginError(f"{where}: its `query` is annotated with {type_!r}; use a class derived from msgspec.Struct")
    return type_


def _parameter_type(function: Callable[..., Any], name: str, where: str) -> Any:
    parameter = signature_of(function).parameters.get(name)
    if parameter is None:
        raise PluginError(f"{where}: it is marked with @{name} and takes no argument of that name; add `{name}`")
    return annotated_type(parameter, inspect.unwrap(function), where)
