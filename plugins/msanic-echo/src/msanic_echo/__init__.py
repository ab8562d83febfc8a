"""The smallest plugin: one command, which answers with what it is told."""

import msgspec

from msanic_core import AnyCommand, Context, command, hookimpl


class Ping(msgspec.Struct):
    """`data` of the command, in both directions."""

    text: str


@command("echo.ping", id=2001)
def ping(_: Context, data: Ping) -> Ping:
    """Answer with the same text."""
    return data


@hookimpl
def ws_command() -> list[AnyCommand]:
    """The commands of this plugin."""
    return [ping]
