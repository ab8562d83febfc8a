"""Decorators that note on a handler what it needs. They do not wrap it, so their order does not matter."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from sanic import Blueprint

Function = TypeVar("Function", bound=Callable[..., Any])
Target = TypeVar("Target", bound=Callable[..., Any] | Blueprint)

_NOTES = "_msanic_declared"


class Declared(NamedTuple):
    """The notes on a handler: whether it takes a query and a body, and whether it requires a login."""

    query: bool = False
    body: bool = False
    login: bool = False


def query(function: Function) -> Function:
    """Pass the query string to the handler as its parameter `query`, which is annotated with a `msgspec.Struct`.

    An invalid query string is answered with 422.
    """
    return _marked("query", function)


def body(function: Function) -> Function:
    """Pass the request's body, JSON or msgpack, to the handler as its parameter `body`, decoded to its annotation.

    The annotation is any type that msgspec decodes, usually a Struct. An invalid body is answered with 422.
    """
    return _marked("body", function)


def login_required(target: Target) -> Target:
    """Require a login for a handler, or for all handlers of a Blueprint. Other requests get 401.

    The plugins' `authenticate` hooks are called, as for a WebSocket. Their `Identity` is `request.ctx.identity` in the
    handler.
    """
    if isinstance(target, Blueprint):
        target.ctx.login_required = True
        return target
    noted: Target = _note(target, login=True)
    return noted


def declared(function: Any) -> Declared:
    """Return the notes on a handler."""
    return getattr(function, _NOTES, Declared())


def wants_login(blueprint: Blueprint) -> bool:
    """Whether `login_required` was called for the Blueprint."""
    return getattr(blueprint.ctx, "login_required", False)


def _marked(name: str, function: Function) -> Function:
    if isinstance(function, type):
        raise TypeError(
            f"@{name} takes no type, and {function.__name__} is one: write @{name}, and the type as the annotation of "
            f"the handler's parameter `{name}`"
        )
    noted: Function = _note(function, **{name: True})
    return noted


def _note(function: Any, **what: Any) -> Any:
    if not callable(function) or isinstance(function, type):
        raise TypeError(f"this decorator is for functions, not for {function!r}")
    setattr(function, _NOTES, declared(function)._replace(**what))
    return function
