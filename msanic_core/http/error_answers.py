"""Makes the error response for an exception of a route. Details that clients must not see stay in the log."""

import logging
import uuid

from sanic import HTTPResponse, Request
from sanic.exceptions import SanicException

from msanic_core.codes import REPLY_CODES, ReplyCode
from msanic_core.db.faults import DatabaseFault, fault_of
from msanic_core.errors import TRY_AGAIN, CommandError, StoreUnavailableError
from msanic_core.http.answer import reply_to

log = logging.getLogger("msanic_core.http")

_CODES_BY_STATUS = {REPLY_CODES[code].http_status: code for code in ReplyCode if code is not ReplyCode.OK}


def answer_error(request: Request, error: Exception) -> HTTPResponse:
    """Return the response in the envelope. From status 500 up, and for conflicts, it has an id that is in the log."""
    if isinstance(error, StoreUnavailableError):
        return _try_again(request, error)
    if isinstance(error, CommandError):
        return reply_to(request, error.data, code=error.code, hint=error.hint, status=error.status)
    if isinstance(error, SanicException):
        if error.status_code >= 500:
            return _internal(request, error, error.status_code)
        code = _CODES_BY_STATUS.get(error.status_code, ReplyCode.FAILED)
        hint = str(error) or "the request failed"
        return reply_to(request, code=code, hint=hint, status=error.status_code, headers=error.headers)
    match fault_of(error):
        case DatabaseFault.CONFLICT:
            return _conflict(request, error)
        case DatabaseFault.TRY_AGAIN:
            return _try_again(request, error)
    return _internal(request, error, 500)


def _internal(request: Request, error: Exception, status: int) -> HTTPResponse:
    error_id = _new_id()
    log.error("error %s in %s %s", error_id, request.method, request.path, exc_info=error)
    return reply_to(request, code=ReplyCode.FAILED, hint=f"internal error {error_id}", status=status)


def _try_again(request: Request, error: Exception) -> HTTPResponse:
    """Log one line without a traceback: an unavailable store is no defect. The text may have addresses: only log it."""
    error_id = _new_id()
    log.warning("error %s in %s %s: %s", error_id, request.method, request.path, _line(error))
    hint = f"{TRY_AGAIN} (error {error_id})"
    return reply_to(request, code=ReplyCode.TRY_AGAIN, hint=hint, status=503)


def _conflict(request: Request, error: Exception) -> HTTPResponse:
    error_id = _new_id()
    log.warning("error %s in %s %s: %s", error_id, request.method, request.path, _line(error))
    hint = f"this conflicts with what is stored (error {error_id})"
    return reply_to(request, code=ReplyCode.REPEATED, hint=hint, status=409)


def _new_id() -> str:
    return uuid.uuid4().hex[:12]


def _line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
