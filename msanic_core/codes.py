"""Reply codes, close codes and the reasons for which a session is lost, with a table of each.

Reply codes 1-99 belong to the core; plugins use 100 and up. The values and HTTP statuses up to 21 are those of
msanic 1.0.22, so that its clients read ours.
"""

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from typing import NamedTuple


class ReplyCode(IntEnum):
    """The values of `code` in a reply. The second group has msanic 1.0.22's names of the same codes."""

    OK = 0
    TRY_AGAIN = 10
    FAILED = 11
    INVALID = 12
    NOT_AUTHENTICATED = 13
    BAD_SIGNATURE = 14
    FORBIDDEN = 15
    NOT_PERMITTED = 16
    EXPIRED = 17
    REPEATED = 18
    MISCONFIGURED = 21

    PASS = 0
    TEND = 10
    FAIL = 11
    ERR_ARG = 12
    ERR_AUTH = 13
    ERR_SIGN = 14
    FORBID = 15
    NON_PMS = 16
    ERR_CONF = 21


class ReplyCodeInfo(NamedTuple):
    """A row of `REPLY_CODES`: the HTTP status, the default hint, and whether trying again can help."""

    http_status: int
    hint: str
    retry: bool


REPLY_CODES: Mapping[int, ReplyCodeInfo] = {
    ReplyCode.OK: ReplyCodeInfo(200, "", False),
    ReplyCode.TRY_AGAIN: ReplyCodeInfo(410, "under maintenance, try again later", True),
    ReplyCode.FAILED: ReplyCodeInfo(400, "the command failed", False),
    ReplyCode.INVALID: ReplyCodeInfo(422, "an argument is missing or wrong", False),
    ReplyCode.NOT_AUTHENTICATED: ReplyCodeInfo(401, "not authenticated", False),
    ReplyCode.BAD_SIGNATURE: ReplyCodeInfo(412, "the signature is wrong", False),
    ReplyCode.FORBIDDEN: ReplyCodeInfo(403, "forbidden", False),
    ReplyCode.NOT_PERMITTED: ReplyCodeInfo(406, "a permission is missing", False),
    ReplyCode.EXPIRED: ReplyCodeInfo(409, "the request has expired", False),
    ReplyCode.REPEATED: ReplyCodeInfo(421, "the request was already made", False),
    ReplyCode.MISCONFIGURED: ReplyCodeInfo(501, "the server is configured wrongly", False),
}


class CloseCode(IntEnum):
    """Why a WebSocket was closed (RFC 6455 section 7.4; 4000-4999 are for applications).

    4000-4499: the client may connect again. 4500-4999: it must not, unless something changes on its side.
    """

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    INVALID_TEXT = 1007
    TOO_BIG = 1009
    RESTART = 1012
    TRY_LATER = 1013
    SLOW_CONSUMER = 4001
    NO_HEARTBEAT = 4002
    TOO_MANY_REQUESTS = 4003
    LOGIN_EXPIRED = 4005
    NOT_AUTHENTICATED = 4501
    REPLACED = 4503
    KICKED = 4504
    CONNECTION_LIMIT = 4505


class CloseCodeInfo(NamedTuple):
    """A row of `CLOSE_CODES`: the reason sent with the code, and whether the client may connect again."""

    reason: str
    reconnect: bool


CLOSE_CODES: Mapping[int, CloseCodeInfo] = {
    CloseCode.NORMAL: CloseCodeInfo("closed", False),
    CloseCode.GOING_AWAY: CloseCodeInfo("going away", True),
    CloseCode.PROTOCOL_ERROR: CloseCodeInfo("protocol error", True),
    CloseCode.INVALID_TEXT: CloseCodeInfo("text is not UTF-8", True),
    CloseCode.TOO_BIG: CloseCodeInfo("message too big", True),
    CloseCode.RESTART: CloseCodeInfo("server restarts, reconnect", True),
    CloseCode.TRY_LATER: CloseCodeInfo("server is full, try later", True),
    CloseCode.SLOW_CONSUMER: CloseCodeInfo("reads too slowly", True),
    CloseCode.NO_HEARTBEAT: CloseCodeInfo("no answer to pings", True),
    CloseCode.TOO_MANY_REQUESTS: CloseCodeInfo("too many requests", True),
    CloseCode.LOGIN_EXPIRED: CloseCodeInfo("login expired", True),
    CloseCode.NOT_AUTHENTICATED: CloseCodeInfo("not authenticated", False),
    CloseCode.REPLACED: CloseCodeInfo("replaced by a newer connection", False),
    CloseCode.KICKED: CloseCodeInfo("kicked", False),
    CloseCode.CONNECTION_LIMIT: CloseCodeInfo("too many connections", False),
}


class OfflineReason(StrEnum):
    """Why a session was lost: the argument `reason` of `ws_offline`."""

    CLOSED = "closed"
    """The client closed with a close frame."""
    LOST = "lost"
    """The connection ended without a close frame: reset, network gone, client killed."""
    HEARTBEAT = "heartbeat"
    """The client no longer answered pings."""
    KICKED = "kicked"
    """A plugin or an operator ended it."""
    REPLACED = "replaced"
    """A newer connection of the user took its place."""
    SLOW = "slow"
    """The client read too slowly and its outbox was full."""
    RATE = "rate"
    """The client sent more than its rate allows."""
    PROTOCOL = "protocol"
    """The client broke the WebSocket protocol or a size limit."""
    EXPIRED = "expired"
    """The login expired."""
    SHUTDOWN = "shutdown"
    """The server stops."""
    CRASHED = "crashed"
    """Its process died, or showed no sign of life for so long that another node took over."""


OFFLINE_CLOSE_CODES: Mapping[OfflineReason, CloseCode] = {
    OfflineReason.CLOSED: CloseCode.NORMAL,
    OfflineReason.LOST: CloseCode.GOING_AWAY,
    OfflineReason.HEARTBEAT: CloseCode.NO_HEARTBEAT,
    OfflineReason.KICKED: CloseCode.KICKED,
    OfflineReason.REPLACED: CloseCode.REPLACED,
    OfflineReason.SLOW: CloseCode.SLOW_CONSUMER,
    OfflineReason.RATE: CloseCode.TOO_MANY_REQUESTS,
    OfflineReason.PROTOCOL: CloseCode.PROTOCOL_ERROR,
    OfflineReason.EXPIRED: CloseCode.LOGIN_EXPIRED,
    OfflineReason.SHUTDOWN: CloseCode.RESTART,
    OfflineReason.CRASHED: CloseCode.RESTART,
}
