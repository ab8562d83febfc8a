"""What the benchmarks ask of msanic-core: commands, a login, groups, pushes and a route, written as any plugin is."""

import hmac

import msgspec
from sanic import Blueprint, HTTPResponse, Request
from sanic.response import json

from msanic_core import AnyCommand, AuthenticationError, Context, Identity, command, hookimpl

GROUP = "bench"
NEWS = "bench.news"

routes = Blueprint("bench")


class Settings(msgspec.Struct, frozen=True):
    """`[plugins.bench]`. `token`: what a client has to know."""

    token: str


class Echo(msgspec.Struct):
    """`data` of `bench.echo`, in both directions."""

    text: str
    number: int


class Fan(msgspec.Struct):
    """`data` of `bench.fan`."""

    text: str
    count: int


class ToUser(msgspec.Struct):
    """`data` of `bench.push`."""

    user: str
    text: str
    durable: bool = False


class News(msgspec.Struct):
    """`data` of `bench.news`, which is what receivers get."""

    text: str


@command("bench.echo")
async def echo(_: Context, data: Echo) -> Echo:
    """Answer with the same."""
    return data


@command("bench.join")
async def join(ctx: Context) -> None:
    """Become a receiver of `bench.fan`."""
    await ctx.join(GROUP)


@command("bench.fan")
async def fan(ctx: Context, data: Fan) -> None:
    """Send all receivers the same text, `count` times."""
    for _ in range(data.count):
        await ctx.broadcast(GROUP, NEWS, News(data.text))


@command("bench.push", concurrent=True)
async def push(ctx: Context, data: ToUser) -> None:
    """Send one user a text. Concurrent: a sender with several in flight does not wait for one after the other."""
    await ctx.push(data.user, NEWS, News(data.text), durable=data.durable)


@routes.get("/json")
async def greet(request: Request) -> HTTPResponse:
    """A route with a parameter."""
    return json({"hello": request.args.get("name"), "number": 7})


@hookimpl
def plugin_settings() -> type[Settings]:
    """`[plugins.bench]`."""
    return Settings


@hookimpl
async def authenticate(request: Request, settings: Settings) -> Identity:
    """Let in who knows the token, under the name they give."""
    user, token = request.args.get("user"), request.args.get("token", "")
    if not user or not hmac.compare_digest(token.encode(), settings.token.encode()):
        raise AuthenticationError("this needs ?user=NAME&token=TOKEN, and the token has to be right")
    return Identity(user)


@hookimpl
def ws_command() -> list[AnyCommand]:
    """The commands."""
    return [echo, join, fan, push]


@hookimpl
def http_blueprint() -> Blueprint:
    """The route, below /bench."""
    blueprint: Blueprint = routes.copy("bench")
    return blueprint
