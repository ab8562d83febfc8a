"""The WebSocket route: from an HTTP request to a session that is registered, welcomed and read from."""

import asyncio
import base64
import binascii
import logging
import time
import uuid
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any
from urllib.parse import urlsplit

from sanic import HTTPResponse, Request

from msanic_core.admission.login import Login, Refusal
from msanic_core.codes import CLOSE_CODES, CloseCode, OfflineReason, ReplyCode
from msanic_core.config.sections import Settings, WebSocketSettings
from msanic_core.context import Server
from msanic_core.engine.base import Engine, InboxPage, SessionPolicy
from msanic_core.errors import StoreUnavailableError
from msanic_core.http.envelope import reply
from msanic_core.identity import Identity, SessionInfo
from msanic_core.session.offline import OfflineChain
from msanic_core.session.outbox import Flusher, Outbox
from msanic_core.session.registry import Registry
from msanic_core.session.replay import Replay
from msanic_core.session.session import Receiver, Session, SessionLimits
from msanic_core.transport.intake import Intake
from msanic_core.transport.websocket import Connection, take_over
from msanic_core.wire import REJECT_COMMAND, SUBPROTOCOL_NAMES, Codec, Codecs, Push

log = logging.getLogger("msanic_core.handshake")

_KEY_BYTES = 16


class Handshake:
    """Opens sessions. Origin and headers are checked before the upgrade, the login is answered after it."""

    def __init__(
        self,
        settings: Settings,
        server: Server,
        engine: Engine,
        registry: Registry,
        offline: OfflineChain,
        receiver: Receiver,
        replay: Replay,
        codecs: Codecs,
        login: Login,
        announce: Callable[[SessionInfo], Coroutine[Any, Any, None]],
        flusher: Flusher,
        intake: Intake,
    ) -> None:
        self._settings = settings
        self._server = server
        self._engine = engine
        self._registry = registry
        self._offline = offline
        self._receiver = receiver
        self._replay = replay
        self._codecs = codecs
        self._login = login
        self._announce = announce
        ws = settings.ws
        self._limits = SessionLimits(ws.queue, ws.rate, ws.burst)
        self._policy = SessionPolicy(ws.max_sessions_per_user, replace=ws.sessions == "single")
        self._flusher = flusher
        self._intake = intake
        self._context = copy_context()
        self._logging_in: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections: set[Connection] = set()
        """Every WebSocket whose socket is open, be it logged in, refused or closing."""
        self.accepting = True
        """False while the server drains."""

    async def __call__(self, request: Request) -> HTTPResponse | None:
        """The route's handler. Returns a response when there is no upgrade, None when there was one."""
        refused = self._check_request(request)
        if refused is not None:
            return refused
        await self._open(request, request.client_ip or "")
        return None

    def _check_request(self, request: Request) -> HTTPResponse | None:
        headers = request.headers
        if not self.accepting:
            return reply(code=ReplyCode.TEND, hint="the server is stopping", status=503)
        if headers.get("upgrade", "").lower() != "websocket" or "upgrade" not in headers.get("connection", "").lower():
            return reply(
                code=ReplyCode.FAIL, hint="this address is a WebSocket", status=426, headers={"Upgrade": "websocket"}
            )
        if headers.get("sec-websocket-version") != "13":
            return reply(
                code=ReplyCode.FAIL,
                hint="WebSocket version 13 is spoken here",
                status=426,
                headers={"Sec-WebSocket-Version": "13"},
            )
        if not _is_key(headers.get("sec-websocket-key", "")):
            return reply(code=ReplyCode.FAIL, hint="Sec-WebSocket-Key must be 16 bytes in base64", status=400)
        if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
            return reply(code=ReplyCode.FAIL, hint="a handshake has no body", status=400)
        if not self._origin_allowed(headers.get("origin"), request.host):
            log.warning("refused: Origin %r is neither the host nor in [ws] origins", headers.get("origin"))
            return reply(code=ReplyCode.FORBID, hint="this Origin is not allowed, see [ws] origins")
        return None

    def _origin_allowed(self, origin: str | None, host: str) -> bool:
        """Browsers send Origin on cross-site requests too, with cookies: RFC 6455 section 10.2."""
        allowed = self._settings.ws.origins
        return origin is None or _is_of_host(origin, host) or origin in allowed or "*" in allowed

    async def _open(self, request: Request, address: str) -> None:
        ws = self._settings.ws
        with self._count_login(address):
            answer = self._refuse_crowd(address) or await self._login.identify(request)
        if not self.accepting:
            answer = Refusal.of(CloseCode.RESTART)
        connection = Connection(
            self._intake, ws.max_message, ws.max_fragments, ws.close_timeout, self.connections.discard
        )
        subprotocol = _choose_subprotocol(request)
        take_over(request, connection, subprotocol=subprotocol)
        self.connections.add(connection)
        if isinstance(answer, Identity):
            try:
                await self._begin(request, answer, address, connection, self._codecs.by_subprotocol(subprotocol))
            except Exception as error:
                # This connection is no longer HTTP: what is raised here must not become Sanic's answer.
                _log_failure(error, "a session of %s cannot be opened", answer.user)
                connection.close(CloseCode.TRY_LATER, CLOSE_CODES[CloseCode.TRY_LATER].reason)
        else:
            log.info("refused %s: %d %s", address, answer.code, answer.text)
            connection.close(answer.code, answer.text)

    async def _begin(
        self, request: Request, identity: Identity, address: str, connection: Connection, codec: Codec
    ) -> None:
        user = identity.user
        with self._count_login(address):
            reason = await self._login.check_time(request, user)
        if reason:
            connection.write(codec.reply(REJECT_COMMAND, None, ReplyCode.FAIL, None, reason))
            log.info("refused %s: %s", user, reason)
            connection.close(CloseCode.NOT_AUTHENTICATED, reason)
            return
        info = SessionInfo(uuid.uuid4().hex, user, self._server.node, time.time(), address, _client_id(request))
        session = Session(
            info, identity, connection, codec, self._limits, self._receiver, self._offline,
            acknowledges=_choose_subprotocol(request) is not None,
        )  # fmt: skip
        await self._admit(session, connection)

    @contextmanager
    def _count_login(self, address: str) -> Iterator[None]:
        """Count a connection that waits for its login. Afterwards it is in the registry, or refused."""
        self._logging_in[address] += 1
        try:
            yield
        finally:
            self._logging_in[address] -= 1
            if not self._logging_in[address]:
                del self._logging_in[address]

    def _refuse_crowd(self, address: str) -> Refusal | None:
        ws = self._settings.ws
        # Those that wait for a store to come back count too: clients that try again must not pile up behind it.
        if len(self._registry) + self._logging_in.total() + self._offline.leaving > ws.max_connections:
            return Refusal.of(CloseCode.TRY_LATER)
        if self._registry.at_address(address) + self._logging_in[address] > ws.max_connections_per_address:
            return Refusal(CloseCode.CONNECTION_LIMIT, "too many connections from this address")
        return None

    async def _admit(self, session: Session, connection: Connection) -> None:
        """Register a session and begin. It is in the registry first: from then on a newer connection can replace it."""
        session.outbox = Outbox(
            connection,
            self._flusher,
            self._settings.ws.outbox_bytes,
            lambda: session.connection_lost(OfflineReason.SLOW),
        )
        # Durable messages that come from now on are in the inbox, which is read once the session is registered.
        session.replaying = True
        session.opening = opening = asyncio.get_running_loop().create_future()
        self._registry.add(session)
        try:
            page = await self._first_page(session) if await self._register(session) else None
        finally:
            session.opening = None
            opening.set_result(None)
        if page is None:
            return
        self._track(self._replay.run(session, page))
        connection.attach(session)
        if not self.accepting:
            # The server began to stop while this session was being opened.
            self._offline.lose(session, OfflineReason.SHUTDOWN)
        log.info("session %s of %s from %s", session.info.id, session.info.user, session.info.address)

    async def _register(self, session: Session) -> bool:
        try:
            session.registered = await self._engine.register(session.info, self._policy)
        except BaseException as error:
            self._offline.give_up(session)
            if not isinstance(error, Exception):
                raise
            _log_failure(error, "session %s cannot be registered", session.info.id)
            return False
        if not session.registered and self._registry.remove(session):
            session.close(OfflineReason.KICKED, CloseCode.CONNECTION_LIMIT, "too many connections of this user")
        return session.registered

    async def _first_page(self, session: Session) -> InboxPage | None:
        """Welcome a session that is registered; then, or when that fails, the plugins are told that it is there."""
        try:
            return None if session.closed else await self._replay.first_page(session, None)
        except BaseException as error:
            self._offline.lose(session, OfflineReason.SHUTDOWN, CloseCode.TRY_LATER)
            if not isinstance(error, Exception):
                raise
            _log_failure(error, "the inbox of session %s cannot be read", session.info.id)
            return None
        finally:
            session.online = self._track(self._announce(session.info))

    def _track(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        # In the server's context: in Sanic's is the whole request, and the session keeps the task.
        task = asyncio.get_running_loop().create_task(work, context=self._context.copy())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def welcome(ws: WebSocketSettings, session: SessionInfo, epoch: str) -> Push:
    """Make what a session is told first, and again when its inbox has a new epoch."""
    return Push(
        "sys.welcome",
        {
            "session": session.id,
            "user": session.user,
            "node": session.node,
            "epoch": epoch,
            "max_message": ws.max_message,
            "ping_interval": ws.ping_interval,
            "ping_timeout": ws.ping_timeout,
        },
    )


def _log_failure(error: Exception, text: str, what: str) -> None:
    """A store that is away is no defect: that takes one line."""
    if isinstance(error, StoreUnavailableError):
        log.warning(f"{text}: %s", what, error)
    else:
        log.error(text, what, exc_info=error)


def _is_of_host(origin: str, host: str) -> bool:
    try:
        return urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == _KEY_BYTES
    except (binascii.Error, ValueError):
        return False


def _choose_subprotocol(request: Request) -> str | None:
    """The first the client offers that we speak."""
    # RFC 6455 section 11.3.4: the list may be spread over several header lines.
    lines = request.headers.getall("sec-websocket-protocol", [])
    offered = [name.strip() for line in lines for name in line.split(",")]
    return next((name for name in offered if name in SUBPROTOCOL_NAMES), None)


def _client_id(request: Request) -> str:
    return request.args.get("client") or ""
