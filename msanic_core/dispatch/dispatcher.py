"""The way of one message: envelope, command, typed data, handler, reply.

The fast path has no task, no lock and one dictionary lookup. The reply of a handler that does not wait is in the outbox
before the next message is decoded.
"""

import asyncio
import logging
from functools import partial
from typing import Any, Final

from mypy_extensions import mypyc_attr

from msanic_core.codes import REPLY_CODES, ReplyCode
from msanic_core.commands.map import Bound, CommandMap
from msanic_core.context import Context, Server
from msanic_core.db.faults import DatabaseFault, fault_of
from msanic_core.dispatch.carrier import Carrier
from msanic_core.dispatch.runner import Runner
from msanic_core.engine.base import Engine
from msanic_core.errors import TRY_AGAIN, CommandError, StoreUnavailableError
from msanic_core.session.session import Receiver, Session
from msanic_core.wire import (
    REJECT_COMMAND,
    Codec,
    Codecs,
    DataError,
    EnvelopeError,
    Push,
    Request,
    WireEncodeError,
)

log = logging.getLogger("msanic_core.commands")

_SHOWN: Final = 100
_BRACE: Final = 0x7B
"""The first byte of a JSON request. In msgpack it is the number 123, which is never a request."""
_PASS: Final = ReplyCode.OK.value
"""A plain number: encoders need more time for a member of an enumeration."""


# One is made for each message: the free list reuses the memory of the last one.
@mypyc_attr(free_list_len=1)
class _Call:
    """One request: in which codec it came, and the command that answers it.

    `typed`: the request's data has already been decoded to the command's type.
    """

    __slots__ = ("bound", "codec", "request", "typed")

    def __init__(self, codec: Codec, request: Request, typed: bool, bound: Bound) -> None:
        self.codec = codec
        self.request = request
        self.typed = typed
        self.bound = bound


class Dispatcher(Receiver):
    """Runs commands: those of one session one at a time and in order, unless they are declared concurrent."""

    def __init__(self, server: Server, commands: CommandMap, codecs: Codecs, engine: Engine, runner: Runner) -> None:
        self._server = server
        self._commands = commands
        self._get_command = commands.get
        self._decode_json, self._quick_json = commands.typed_decoders[codecs.json.name]
        self._decode_binary_json, self._quick_binary_json = commands.typed_decoders[codecs.binary_json.name]
        self._decode_msgpack, self._quick_msgpack = commands.typed_decoders[codecs.msgpack.name]
        self._json = codecs.json
        self._binary_json = codecs.binary_json
        self._msgpack = codecs.msgpack
        self._engine = engine
        self._runner = runner
        self._loop = asyncio.get_running_loop()
        self._late: set[asyncio.Task[Any]] = set()

    def receive(self, session: Session, payload: str | bytes) -> None:
        """See `Receiver.receive`."""
        codec: Codec
        request: Request | None
        if isinstance(payload, str):
            codec, decode, quick = self._json, self._decode_json, self._quick_json
            if session.codec is self._binary_json:
                # Clients of msanic 1.0 send text frames and read binary ones.
                codec = self._binary_json
        elif payload and payload[0] == _BRACE:
            codec, decode, quick = self._binary_json, self._decode_binary_json, self._quick_binary_json
        else:
            codec, decode, quick = self._msgpack, self._decode_msgpack, self._quick_msgpack
        typed = session.quick
        try:
            request = decode(payload) if typed else self._decode(session, codec, quick, payload)
        except Exception:
            # What a type's own checks raise is raised again when the handler's data is decoded, and answered there.
            typed = False
            request = self._decode(session, codec, quick, payload)
        if request is None:
            return
        bound = self._get_command(request.cmd)
        if bound is None:
            self._unknown(session, codec, request)
            return
        call = _Call(codec, request, typed, bound)
        if session.outbox.blocked or (_crowded(session) if bound.concurrent else session.occupied):
            session.enqueue(call)
        else:
            self._start(session, call)

    def writable(self, session: Session) -> None:
        """See `Receiver.writable`."""
        if session.waiting:
            self._loop.call_soon(self._next, session)

    async def stop(self, deadline: float, grace: float = 1.0) -> int:
        """Wait for handlers until the loop's clock shows `deadline`, then cancel the rest; returns how many.

        `grace`: seconds that cancelled handlers get to end, and then late replies to reach the inbox.
        """
        cancelled = await self._runner.stop(deadline, grace)
        if self._late:
            await asyncio.wait(self._late, timeout=max(grace, deadline - self._loop.time()))
        return cancelled

    def _decode(self, session: Session, codec: Codec, quick: frozenset[str], payload: str | bytes) -> Request | None:
        """Decode the envelope, not the typed data. Answers an invalid one with an error and returns None."""
        try:
            request = codec.decode(payload)
        except EnvelopeError as error:
            log.info("session %s of %s: %s", session.info.id, session.info.user, error.hint)
            session.outbox.send(codec.reply(REJECT_COMMAND, None, ReplyCode.INVALID, error.req, error.hint))
            return None
        # A client that once used a form the quick decoder cannot read, such as a numeric id, will use it again.
        session.quick = request.cmd in quick
        return request

    def _start(self, session: Session, call: _Call) -> None:
        bound = call.bound
        context = session.context if session.context_plugin is bound.plugin else self._context_of(session, bound.plugin)
        try:
            if bound.decoders is None:
                result = bound.handler(context)
            elif call.typed:
                result = bound.handler(context, call.request.data)
            else:
                result = bound.handler(context, bound.decoders[call.codec.name](call.request.data))
            if bound.is_async:
                result = self._runner.start(result)
        except DataError as error:
            info = session.info
            log.info("session %s of %s: %s: %s", info.id, info.user, bound.command.name, error.hint)
            self._reply(session, call, None, ReplyCode.INVALID, error.hint)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            # Also CancelledError: the first future that the handler awaited was already cancelled.
            self._failed(session, call, error)
        else:
            if isinstance(result, Carrier):
                self._suspended(session, call, result)
            else:
                self._reply(session, call, result, _PASS, "")

    def _context_of(self, session: Session, plugin: str) -> Context:
        context: Context | None = session.contexts.get(plugin)
        if context is None:
            context = session.contexts[plugin] = Context(self._server, session, plugin)
        session.context, session.context_plugin = context, plugin
        return context

    def _suspended(self, session: Session, call: _Call, carrier: Carrier) -> None:
        if call.bound.concurrent:
            session.running += 1
        else:
            session.busy = True
        carrier.then(partial(self._completed, session, call))

    def _completed(self, session: Session, call: _Call, result: Any, failure: BaseException | None) -> None:
        if call.bound.concurrent:
            session.running -= 1
        else:
            session.busy = False
        if session.waiting:
            # Not directly: this code runs in the task of the handler that has just ended.
            self._loop.call_soon(self._next, session)
        if failure is None:
            self._reply(session, call, result, _PASS, "")
        else:
            self._failed(session, call, failure)

    def _next(self, session: Session) -> None:
        while session.waiting:
            call: _Call = session.waiting[0]
            if session.outbox.blocked or (session.crowded if call.bound.concurrent else session.busy):
                break
            session.waiting.popleft()
            self._start(session, call)
        session.dequeued()

    def _failed(self, session: Session, call: _Call, error: BaseException) -> None:
        if isinstance(error, StoreUnavailableError) or fault_of(error) is DatabaseFault.TRY_AGAIN:
            log.warning("plugin %s: %s: %r", call.bound.plugin, call.bound.command.name, error)
            self._reply(session, call, None, ReplyCode.TRY_AGAIN, TRY_AGAIN)
            return
        if isinstance(error, CommandError):
            self._reply(session, call, error.data, error.code, error.hint or _usual_hint(error.code))
            return
        log.error(
            "plugin %s: %s raised for session %s of %s",
            call.bound.plugin,
            call.bound.command.name,
            session.info.id,
            session.info.user,
            exc_info=error,
        )
        self._reply(session, call, None, ReplyCode.FAILED, _usual_hint(ReplyCode.FAILED))

    def _unknown(self, session: Session, codec: Codec, request: Request) -> None:
        shown = request.cmd if isinstance(request.cmd, int) else repr(request.cmd[:_SHOWN])
        nearest = self._commands.nearest(request.cmd)
        hint = f"unknown command {shown}" + (f", did you mean {nearest!r}?" if nearest else "")
        log.info("session %s of %s: %s", session.info.id, session.info.user, hint)
        session.outbox.send(codec.reply(request.cmd, None, ReplyCode.FAILED, request.req, hint))

    def _reply(self, session: Session, call: _Call, data: Any, code: int, hint: str) -> None:
        if session.closed:
            self._keep(session, call, data, code, hint)
            return
        request = call.request
        try:
            frame = call.codec.reply(request.cmd, data, code, request.req, hint)
        except WireEncodeError as error:
            frame = self._unencodable(call, error)
        session.outbox.send(frame)

    def _unencodable(self, call: _Call, error: WireEncodeError) -> bytes:
        bound, request = call.bound, call.request
        log.error("plugin %s: the answer to %s cannot be encoded: %s", bound.plugin, bound.command.name, error)
        return call.codec.reply(request.cmd, None, ReplyCode.FAILED, request.req, "the answer could not be encoded")

    def _keep(self, session: Session, call: _Call, data: Any, code: int, hint: str) -> None:
        """Store a reply in the user's inbox: the session was lost while the handler ran."""
        reply = Push(call.request.cmd, data, code, hint, call.codec.plain(call.request.req))
        task = self._loop.create_task(self._store(session, reply))
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def _store(self, session: Session, reply: Push) -> None:
        try:
            await self._engine.push(session.info.user, reply, True)
        except Exception:
            log.exception("the reply to %s of lost session %s is lost too", reply.cmd, session.info.id)


def _crowded(session: Session) -> bool:
    """Whether a concurrent command has to wait: the limit is reached, or an earlier concurrent one waits."""
    if session.crowded or not session.waiting:
        return session.crowded
    first: _Call = session.waiting[0]
    return first.bound.concurrent


def _usual_hint(code: int) -> str:
    row = REPLY_CODES.get(code)
    return "" if row is None else row.hint
