"""Logins: the plugins' `authenticate` hooks, anonymous logins, and the replay guard."""

import asyncio
import logging
import time
import uuid
from collections.abc import Sequence
from typing import NamedTuple

from sanic import Request
from sanic.exceptions import Unauthorized

from msanic_core.codes import CLOSE_CODES, CloseCode
from msanic_core.config.sections import Settings
from msanic_core.context import Server
from msanic_core.db.faults import DatabaseFault, fault_of
from msanic_core.engine.base import Engine
from msanic_core.errors import AuthenticationError, StoreUnavailableError
from msanic_core.identity import Identity, check_name
from msanic_core.plugins import calling
from msanic_core.plugins.plugin import Implementation

log = logging.getLogger("msanic_core.login")

_TIMESTAMP_DIGITS = 20


class Refusal(NamedTuple):
    """Why a connection is closed right after its upgrade. A browser program sees this, but no HTTP status."""

    code: CloseCode
    text: str

    @classmethod
    def of(cls, code: CloseCode) -> "Refusal":
        """Make a refusal with the text of the close code."""
        return cls(code, CLOSE_CODES[code].reason)


class Login:
    """Asks who is connecting. By default nobody may connect unless a plugin identifies the client."""

    def __init__(
        self, settings: Settings, server: Server, engine: Engine, authenticate: Sequence[Implementation]
    ) -> None:
        self._settings = settings
        self._server = server
        self._engine = engine
        self._authenticate = authenticate

    async def identify(self, request: Request) -> Identity | Refusal:
        """Return the first answer of an `authenticate` hook; with anonymous logins `?user=`, else a random guest."""
        try:
            if client := request.args.get("client"):
                check_name("client", client)
            if self._settings.auth.mode == "anonymous":
                return Identity(request.args.get("user") or f"guest-{uuid.uuid4().hex[:12]}")
        except ValueError as error:
            return Refusal(CloseCode.NOT_AUTHENTICATED, str(error))
        return await self._ask_plugins(request)

    async def require(self, request: Request) -> Identity:
        """Identify the client of an HTTP route. Raises `Unauthorized` (401) or `StoreUnavailableError` (503)."""
        answer = await self.identify(request)
        if isinstance(answer, Identity):
            if answer.expires_at is None or answer.expires_at > time.time():
                return answer
            answer = Refusal.of(CloseCode.LOGIN_EXPIRED)
        if answer.code is CloseCode.TRY_LATER:
            raise StoreUnavailableError(answer.text)
        # RFC 9110 section 11.6.1: a 401 response must say how to log in.
        raise Unauthorized(answer.text, scheme="Bearer")

    async def check_time(self, request: Request, user: str) -> str:
        """Check msanic's replay guard: a handshake is valid once. Returns the error, or "" if it is valid."""
        if self._settings.ws.handshake_time != "require":
            return ""
        given = request.headers.get("timestamp") or request.args.get("Timestamp") or ""
        if not given.isascii() or not given.isdigit():
            return "Timestamp is missing: seconds since the epoch, as header or parameter"
        # `int` refuses texts of thousands of digits.
        if len(given) > _TIMESTAMP_DIGITS or int(given) > time.time():
            return "Timestamp lies in the future"
        if not await self._engine.newer_handshake(user, int(given)):
            return "Timestamp is not newer than that of the last connection"
        return ""

    async def _ask_plugins(self, request: Request) -> Identity | Refusal:
        limit = asyncio.timeout(self._settings.auth.timeout)
        try:
            async with limit:
                for implementation in self._authenticate:
                    identity = await calling.call(implementation, request=request, server=self._server)
                    if identity is not None:
                        return _checked(identity)
        except AuthenticationError as error:
            refusal = Refusal.of(CloseCode.NOT_AUTHENTICATED)
            return refusal._replace(text=str(error) or refusal.text)
        except Exception as error:
            if limit.expired():
                return Refusal(CloseCode.NOT_AUTHENTICATED, "the login took too long")
            if isinstance(error, StoreUnavailableError) or fault_of(error) is DatabaseFault.TRY_AGAIN:
                # The login may be valid: the client must keep it and try again.
                log.warning("plugin %s: authenticate: %s: %s", implementation.plugin.name, type(error).__name__, error)
                return Refusal(CloseCode.TRY_LATER, "nobody can be logged in now")
            # Any other exception may hold secrets: its text stays in the log.
            log.exception("plugin %s: authenticate raised", implementation.plugin.name)
            return Refusal(CloseCode.NOT_AUTHENTICATED, "the login failed")
        return Refusal.of(CloseCode.NOT_AUTHENTICATED)


def _checked(identity: object) -> Identity:
    if not isinstance(identity, Identity):
        raise TypeError(f"authenticate must return an Identity or None, not {type(identity).__name__}")
    return identity
