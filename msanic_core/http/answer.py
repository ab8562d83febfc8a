"""The form of every answer: `{code, data, hint}`, and `total` for a part of a list; JSON, or msgpack if asked for."""

from collections.abc import Mapping
from typing import Any

import msgspec
from sanic import HTTPResponse, Request
from sanic.exceptions import SanicException

from msanic_core.codes import REPLY_CODES, ReplyCode
from msanic_core.wire import pack

JSON = "application/json"
MSGPACK = ("application/msgpack", "application/vnd.msgpack", "application/x-msgpack")
"""The registered name is the second; more clients know the first."""

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
    """Answer the request that is being handled, in JSON or in msgpack as its `Accept` says.

    `total`: how many there are where `data` is a part of them. `hint`: by default the code's own. `status`: by default
    the code's own HTTP status, 400 for a plugin's code. Raises `TypeError` for data that cannot be encoded.
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
    """`reply` to this request; None: JSON."""
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
        # A header that cannot be read: the answer must come nevertheless.
        return JSON
    refused = match.header is None or not match.header.q
    return JSON if refused or match.mime not in MSGPACK else str(match.mime)
