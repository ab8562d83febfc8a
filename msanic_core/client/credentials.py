"""The address to connect to, and the values that tell the server who connects."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlencode, urlsplit, urlunsplit

from websockets.exceptions import InvalidURI
from websockets.uri import parse_uri

Values = Mapping[str, str]
Provider = Values | Callable[[], Values | Awaitable[Values]]
"""Fixed values, or a function that the client calls for them before each attempt to connect."""


class CredentialsError(Exception):
    """The program's function for the credentials has failed. The text may be logged; its cause may hold secrets."""


class Credentials:
    """The names of the user and of the client, with further query parameters and headers, such as a token."""

    def __init__(self, user: str | None, client_id: str, query: Provider, headers: Provider) -> None:
        names = {"user": user, "client": client_id}
        self._names = {name: value for name, value in names.items() if value}
        self._query = query
        self._headers = headers

    async def url(self, url: str) -> str:
        """Give the address with the query for the next attempt. Raises `CredentialsError`."""
        parts = urlsplit(url)
        query = urlencode({**self._names, **await _values("query", self._query)})
        return urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, query)))))

    async def headers(self) -> Values:
        """Give the headers for the next attempt. Raises `CredentialsError`."""
        return await _values("headers", self._headers)


def check_url(url: str) -> str:
    """Return a WebSocket address unchanged. Raises `ValueError` for anything else."""
    try:
        parse_uri(url)
    except (InvalidURI, ValueError):
        raise ValueError(f"{shown(url)!r} is no address such as ws://127.0.0.1:8800/ws") from None
    return url


def shown(url: str) -> str:
    """The address for logs: without query, user name and password, which may be secret."""
    try:
        parts = urlsplit(url)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))
    except ValueError:
        return "the URL"


async def _values(name: str, provider: Provider) -> Values:
    if isinstance(provider, Mapping):
        return provider
    try:
        values = provider()
        return await values if inspect.isawaitable(values) else values
    except Exception as error:
        raise CredentialsError(f"the function given as {name} raised {type(error).__name__}") from error
