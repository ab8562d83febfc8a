"""Who a client is, what is known of its session, and what a name of a user or a group may look like."""

import re
from typing import Any

import msgspec

MAX_NAME_BYTES = 255
"""Names become part of Redis keys and of log lines: their length is bounded."""

# C0, DEL and C1 control characters, and Unicode's own line and paragraph separators.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SHOWN = 40


def check_name(kind: str, value: object) -> str:
    """Return `value` if it can be the name of a user or a group, so that the result has the type `str`.

    A name is a `str` of 1 to 255 bytes of UTF-8 with no control characters and no line breaks. `kind` says in the
    error what the value is for, such as "user id" or "group". Raises `ValueError`, saying why, if it is no such name.
    """
    if not isinstance(value, str):
        raise ValueError(f"{kind} must be a str, not {type(value).__name__}: convert it with str(...)")
    if not value:
        raise ValueError(f"{kind} must not be empty")
    shown = repr(value if len(value) <= _SHOWN else value[:_SHOWN] + "...")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise ValueError(f"{kind} {shown} holds half of a surrogate pair: it cannot be written as UTF-8") from None
    if size > MAX_NAME_BYTES:
        raise ValueError(f"{kind} {shown} has {size} bytes as UTF-8: at most {MAX_NAME_BYTES} are allowed")
    if _CONTROL.search(value):
        raise ValueError(f"{kind} {shown} holds a control character or a line break")
    return value


class Identity(msgspec.Struct):
    """What an `authenticate` hook answers: whose connection it is.

    `user`: the user id, a name as `check_name` allows it. `claims`: whatever else the login said (roles, tenant), for
    handlers to read. `expires_at`: when the login runs out, in seconds since the epoch (as `time.time()`); None:
    never. A session is closed with 4005 when its login runs out. Raises `ValueError` if `user` is no valid name or
    `expires_at` no time.
    """

    user: str
    claims: dict[str, Any] = {}
    expires_at: float | None = None

    def __post_init__(self) -> None:
        check_name("user id", self.user)
        if self.expires_at is not None and not isinstance(self.expires_at, int | float):
            raise ValueError(f"expires_at must be a number of seconds, not {type(self.expires_at).__name__}")


class SessionInfo(msgspec.Struct, frozen=True):
    """What is known of a session outside its own connection; hooks and other nodes get this.

    Times are seconds since the epoch. `client` is the client's own id from the handshake ("" when it gave none).
    `groups`, `closed_at` and `last` are set once the session is lost: the groups it was in, when it ended, and
    whether the user has no other session left.
    """

    id: str
    user: str
    node: str
    opened_at: float
    address: str
    client: str = ""
    groups: tuple[str, ...] = ()
    closed_at: float | None = None
    last: bool = False
