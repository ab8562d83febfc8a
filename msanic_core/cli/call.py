"""Send one command to a running server and print the reply as a line of JSON.

The exit code is the reply's code (125 for higher ones); 1 also stands for no reply, 2 for wrong usage.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from msanic_core.cli import options, output

if TYPE_CHECKING:
    from msanic_core.config.sections import Settings

SUMMARY = "send one command to a running server"

_REQUEST = "1"
_REJECT = (1002, "sys.reject")
_CLOSE_TIMEOUT = 1.0
_HIGHEST_EXIT_CODE = 125
_REACHABLE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class _NoReplyError(Exception):
    """The server could not be reached, or sent no reply. The text says why."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this verb."""
    parser.add_argument("command", metavar="CMD", help="name of the command, or its number")
    parser.add_argument("data", metavar="DATA", nargs="?", default="null", help='JSON; "-" reads it from stdin')
    parser.add_argument("--url", help="address of the server (default: from the settings)")
    parser.add_argument("--user", metavar="NAME", help="user, for a server with anonymous login")
    parser.add_argument(
        "--header", type=_header, action="append", default=[], metavar="'K: V'", help="HTTP header, repeatable"
    )
    parser.add_argument(
        "--timeout", type=_positive, default=10.0, metavar="S", help="seconds until the reply (default: 10)"
    )
    options.add_settings_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Send the command and print the reply."""
    command = arguments.command
    number = int(command) if command.isascii() and command.isdigit() else command
    request = json.dumps({"cmd": number, "data": _data(arguments.data), "req": _REQUEST})
    url = arguments.url or server_url(options.read_settings(arguments)[0])
    try:
        reply = _ask(
            with_user(url, arguments.user),
            request,
            headers=arguments.header,
            timeout=arguments.timeout,
            # The server of our own settings is local: do not use a proxy from the environment.
            use_proxy=arguments.url is not None,
        )
    except _NoReplyError as error:
        output.error(str(error))
        return 1
    print(output.json_text(reply))
    return exit_code(reply)


def server_url(settings: Settings) -> str:
    """Give the WebSocket address of the server with these settings, as seen from this machine."""
    server = settings.server
    if server.port == 0:
        raise output.UsageError("server.port is 0, so the server took a free one: say which with --port, or give --url")
    host = _REACHABLE.get(server.host, server.host)
    return f"ws://{f'[{host}]' if ':' in host else host}:{server.port}{settings.ws.path}"


def with_user(url: str, user: str | None) -> str:
    """Add `user` to the query of a WebSocket address. Raises `UsageError` if `url` is not a WebSocket address."""
    from websockets.exceptions import InvalidURI
    from websockets.uri import parse_uri

    from msanic_core.config.text import masked

    try:
        parse_uri(url)
    except (InvalidURI, ValueError):
        shown = masked("", url)
        raise output.UsageError(f"--url {shown}: expected an address such as ws://127.0.0.1:8800/ws") from None
    if user is None:
        return url
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, urlencode({"user": user}))))))


def exit_code(reply: dict[str, Any]) -> int:
    """Give the exit code for a reply. A reply without a valid code counts as failed."""
    code = reply.get("code")
    if not isinstance(code, int) or code < 0:
        return 1
    return min(code, _HIGHEST_EXIT_CODE)


def _ask(url: str, request: str, *, headers: list[tuple[str, str]], timeout: float, use_proxy: bool) -> dict[str, Any]:
    """Connect, send and wait for the reply, all within `timeout` seconds."""
    from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
    from websockets.sync.client import connect
    from websockets.typing import Subprotocol

    from msanic_core.config.text import masked

    deadline = time.monotonic() + timeout
    shown = masked("", url)
    try:
        with connect(
            url,
            subprotocols=[Subprotocol("msanic.v1.json")],
            additional_headers=headers,
            compression=None,
            open_timeout=timeout,
            close_timeout=_CLOSE_TIMEOUT,
            max_size=None,
            proxy=True if use_proxy else None,
        ) as connection:
            connection.send(request)
            while True:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError
                reply = as_reply(connection.recv(timeout=left))
                if reply is not None:
                    return reply
    except InvalidStatus as error:
        raise _NoReplyError(f"{shown} answered HTTP {error.response.status_code} and opened no WebSocket") from None
    except InvalidHandshake as error:
        raise _NoReplyError(f"{shown} opened no WebSocket: {error}") from None
    except ConnectionClosed as error:
        if error.rcvd is None:
            raise _NoReplyError(f"{shown}: the connection was lost before the reply") from None
        why = f"{error.rcvd.code} {error.rcvd.reason}".rstrip()
        raise _NoReplyError(f"{shown} closed the connection before the reply: {why}") from None
    except TimeoutError:
        raise _NoReplyError(f"{shown} gave no reply within {timeout:g} s (--timeout)") from None
    except OSError as error:
        raise _NoReplyError(f"cannot connect to {shown}: {error.strerror or error}; is the server running?") from None


def as_reply(message: str | bytes) -> dict[str, Any] | None:
    """Decode the reply to our request, or the reject of a request that the server could not read. Else None."""
    try:
        reply = json.loads(message) if isinstance(message, str) else None
    except ValueError:
        return None
    if not isinstance(reply, dict):
        return None
    if reply.get("req") == _REQUEST or (reply.get("cmd") in _REJECT and reply.get("req") is None):
        return reply
    return None


def _data(text: str) -> Any:
    try:
        return json.loads(sys.stdin.read() if text == "-" else text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise output.UsageError(f"DATA is not JSON: {error}; texts need quotes, as '\"text\"'") from None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _header(text: str) -> tuple[str, str]:
    name, separator, value = text.partition(":")
    if not separator or not name.strip() or "\n" in text or "\r" in text:
        raise argparse.ArgumentTypeError(f"expected 'NAME: VALUE', not {text!r}")
    return name.strip(), value.strip()


def _positive(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number of seconds above 0, not {text!r}")
    return seconds
