"""The WebSocket route: from an HTTP request to a session that is registered and welcomed."""

import logging
import time
import uuid
from typing import NamedTuple

from sanic import HTTPResponse, Request

from msanic_core.admission.limits import ConnectionLimits
from msanic_core.admission.login import Login, Refusal
from msanic_core.admission.registration import Registration, log_failure
from msanic_core.codes import CLOSE_CODES, CloseCode, OfflineReason, ReplyCode
from msanic_core.config.sections import WebSocketSettings
from msanic_core.http.answer import reply
from msanic_core.identity import Identity, SessionInfo
from msanic_core.session.offline import OfflineChain
from msanic_core.session.session import Receiver, Session, SessionLimits
from msanic_core.transport.intake import Intake
from msanic_core.transport.upgrade import check_upgrade, choose_subprotocol, origin_allowed, take_over
from msanic_core.transport.websocket import WebSocketConnection
from msanic_core.wire import REJECT_COMMAND, Codecs

log = logging.getLogger("msanic_core.handshake")


class SessionParts(NamedTuple):
    """The parts that all sessions of a node share."""

    node: str
    codecs: Codecs
    receiver: Receiver
    offline: OfflineChain
    intake: Intake


class Admission:
    """Opens sessions. Origin and headers are checked before the upgrade; a failed login closes the socket after it."""

    def __init__(
        self,
        ws: WebSocketSettings,
        login: Login,
        limits: ConnectionLimits,
        registration: Registration,
        parts: SessionParts,
    ) -> None:
        self._ws = ws
        self._login = login
        self._limits = limits
        self._registration = registration
        self._parts = parts
        self._session_limits = SessionLimits(ws.queue, ws.rate, ws.burst)
        self.connections: set[WebSocketConnection] = set()
        """Every WebSocket whose socket is open: logged in, refused or closing."""
        self.accepting = True
        """False while the server drains."""

    async def __call__(self, request: Request) -> HTTPResponse | None:
        """Handle the route. Returns a response if the request is refused with HTTP, None after an upgrade."""
        refused = self._check_request(request)
        if refused is not None:
            return refused
        await self._open(request, request.client_ip or "")
        return None

    def _check_request(self, request: Request) -> HTTPResponse | None:
        if not self.accepting:
            return reply(code=ReplyCode.TRY_AGAIN, hint="the server is stopping", status=503)
        problem = check_upgrade(request)
        if problem is not None:
            return reply(code=ReplyCode.FAILED, hint=problem.hint, status=problem.status, headers=problem.headers)
        if not origin_allowed(request, self._ws.origins):
            log.warning("refused: Origin %r is neither the host nor in [ws] origins", request.headers.get("origin"))
            return reply(code=ReplyCode.FORBIDDEN, hint="this Origin is not allowed, see [ws] origins")
        return None

    async def _open(self, request: Request, address: str) -> None:
        with self._limits.logging_in(address):
            answer = self._limits.check(address) or await self._login.identify(request)
        if not self.accepting:
            answer = Refusal.of(CloseCode.RESTART)
        ws = self._ws
        connection = WebSocketConnection(
            self._parts.intake, ws.max_message, ws.max_fragments, ws.close_timeout, self.connections.discard
        )
        subprotocol = choose_subprotocol(request)
        take_over(request, connection, subprotocol=subprotocol)
        self.connections.add(connection)
        if not isinstance(answer, Identity):
            log.info("refused %s: %d %s", address, answer.code, answer.text)
            connection.close(answer.code, answer.text)
            return
        try:
            await self._begin(request, answer, address, connection, subprotocol)
        except Exception as error:
            # The connection is no longer HTTP: an exception must not reach Sanic, which would answer it.
            log_failure(error, "a session of %s cannot be opened", answer.user)
            connection.close(CloseCode.TRY_LATER, CLOSE_CODES[CloseCode.TRY_LATER].reason)

    async def _begin(
        self,
        request: Request,
        identity: Identity,
        address: str,
        connection: WebSocketConnection,
        subprotocol: str | None,
    ) -> None:
        user, parts = identity.user, self._parts
        codec = parts.codecs.by_subprotocol(subprotocol)
        with self._limits.logging_in(address):
            reason = await self._login.check_time(request, user)
        if reason:
            connection.write(codec.reply(REJECT_COMMAND, None, ReplyCode.FAILED, None, reason))
            log.info("refused %s: %s", user, reason)
            connection.close(CloseCode.NOT_AUTHENTICATED, reason)
            return
        client = request.args.get("client") or ""
        info = SessionInfo(uuid.uuid4().hex, user, parts.node, time.time(), address, client)
        session = Session(
            info, identity, connection, codec, self._session_limits, parts.receiver, parts.offline,
            acknowledges=subprotocol is not None,
        )  # fmt: skip
        if await self._registration.admit(session):
            connection.attach(session)
            if not self.accepting:
                # The server began to stop while this session was being opened.
                parts.offline.lose(session, OfflineReason.SHUTDOWN)
            log.info("session %s of %s from %s", info.id, user, address)
