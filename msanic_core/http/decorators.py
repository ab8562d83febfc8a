"""What a route asks for, noted on its handler. Nothing is wrapped here, so that the order of decorators is free."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from sanic import Blueprint

Function = TypeVar("Function", bound=Callable[..., Any])
Target = TypeVar("Target", bound=Callable[..., Any] | Blueprint)

_NOTES = "_msanic_declared"


class Declared(NamedTuple):
    """What is noted on a handler: whether it takes a query, a body, and whether it wants a login."""

    query: bool = False
    body: bool = False
    login: bool = False


def query(function: Function) -> Function:
    """Hand the query string to the handler as its parameter `query`, which is annotated with a `msgspec.Struct`.

    A query string that does not fit is answered with 422.
    """
    return _marked("query", function)


def body(function: Function) -> Function:
    """Hand the request's body, JSON or msgpack, to the handler as its parameter `body`, a value of its annotation.

    The annotation may be anything msgspec decodes, mostly a Struct. A body that does not fit is answered with 422.
    """
    return _marked("body", function)


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
