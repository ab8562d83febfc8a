"""The form of every response: `{code, data, hint}`, and `total` for a page of a list; in JSON or msgpack."""

from collections.abc import Mapping
from typing import Any

import msgspec
from sanic import HTTPResponse, Request
from sanic.exceptions import SanicException

from msanic_core.codes import REPLY_CODES, ReplyCode
from msanic_core.wire import pack

JSON = "application/json"
MSGPACK = ("application/msgpack", "application/vnd.msgpack", "application/x-msgpack")
"""The second is the registered name, the first is the most common one."""

_OWN_CODE_STATUS = 400


def reply(
    data: Any = None,
    *,
    total: int | None = None,
    code: int = ReplyCode.OK,
    hint: str = "",
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> HTTPResponse:
    """Make the response to the current request, in JSON or msgpack as its `Accept` header says.

    `total`: the number of all items if `data` is one page of them. `hint`: by default the code's own. `status`: by
    default the code's own HTTP status, 400 for a plugin's code. Raises `TypeError` if `data` cannot be encoded.
    """
    return reply_to(_current_request(), data, total=total, code=code, hint=hint, status=status, headers=headers)


def reply_to(
    request: Request | None,
    data: Any = None,
    *,
    total: int | None = None,
    code: int = ReplyCode.OK,
    hint: str = "",
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> HTTPResponse:
    """Make the response to `request`, see `reply`; None: in JSON."""
    row = REPLY_CODES.get(code)
    envelope = {"code": int(code), "data": data, "hint": hint or (row.hint if row else "")}
    if total is not None:
        envelope["total"] = total
    media_type = JSON if request is None else _wanted(request)
    return HTTPResponse(
        msgspec.json.encode(envelope) if media_type == JSON else pack(envelope),
        status or (row.http_status if row else _OWN_CODE_STATUS),
        # RFC 9110 section 12.5.5: for caches.
        {"Vary": "Accept", **(headers or {})},
        content_type=media_type,
    )


def _current_request() -> Request | None:
    try:
        return Request.get_current()
    except SanicException:
        return None


def _wanted(request: Request) -> str:
    if "msgpack" not in request.headers.get("accept", ""):
        return JSON
    try:
        match = request.accept.match(JSON, *MSGPACK)
    except SanicException:
        # An invalid header must not prevent the response.
        return JSON
    refused = match.header is None or not match.header.q
    return JSON if refused or match.mime not in MSGPACK else str(match.mime)
