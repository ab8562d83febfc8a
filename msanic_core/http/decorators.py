"""What a route asks for, noted on its handler. Nothing is wrapped here, so that the order of decorators is free."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import msgspec
from sanic import Blueprint

Function = TypeVar("Function", bound=Callable[..., Any])
Target = TypeVar("Target", bound=Callable[..., Any] | Blueprint)

_NOTES = "_msanic_declared"


class Declared(NamedTuple):
    """What is noted on a handler: the types of its query and body, None for none, and whether it wants a login."""

    query: type[msgspec.Struct] | None = None
    body: Any = None
    login: bool = False


def query(type_: type[msgspec.Struct]) -> Callable[[Function], Function]:
    """Hand the query string to the handler as `query`, a Struct of this type; one that does not fit is answered 422."""
    if not (isinstance(type_, type) and issubclass(type_, msgspec.Struct)):
        raise TypeError(f"@query takes a class derived from msgspec.Struct, not {type_!r}")
    return lambda function: _note(function, query=type_)


def body(type_: Any) -> Callable[[Function], Function]:
    """Hand the request's body, JSON or msgpack, to the handler as `body`: a value of this type, mostly a Struct."""
    return lambda function: _note(function, body=type_)


def login_required(target: Target) -> Target:
    """Answer a handler's request, or those for a whole Blueprint, only for who is logged in; others get 401.

    The plugins' `authenticate` hooks are asked, as for a socket. The handler finds the answer, an `Identity`, as
    `request.ctx.identity`.
    """
    if isinstance(target, Blueprint):
        target.ctx.login_required = True
        return target
    noted: Target = _note(target, login=True)
    return noted


def declared(function: Any) -> Declared:
    """What is noted on a handler."""
    return getattr(function, _NOTES, Declared())


def wants_login(blueprint: Blueprint) -> bool:
    """Whether `login_required` was called with the Blueprint."""
    return getattr(blueprint.ctx, "login_required", False)


def _note(function: Any, **what: Any) -> Any:
    if not callable(function) or isinstance(function, type):
        raise TypeError(f"this decorator is for functions, not for {function!r}")
    setattr(function, _NOTES, declared(function)._replace(**what))
    return function
