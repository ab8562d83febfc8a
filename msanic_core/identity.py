"""The identity of a client, the data of its session, and the rules for names of users and groups."""

import re
from typing import Any

import msgspec

MAX_NAME_BYTES = 255
"""Names become part of Redis keys and of log lines, so their length is limited."""

# C0, DEL and C1 control characters, and Unicode's own line and paragraph separators.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SHOWN = 40


def check_name(kind: str, value: object) -> str:
    """Return `value` if it is a valid name of a user or a group.

    A name is a `str` of 1 to 255 bytes of UTF-8 without control characters and line breaks. `kind`: what the value is
    for, such as "user id" or "group". Raises `ValueError` with `kind` and the reason if it is not valid.
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
    """The result of an `authenticate` hook: who the client is.

    `user`: the user id, a valid name for `check_name`. `claims`: other facts of the login (roles, tenant) for handlers.
    `expires_at`: when the login expires, in seconds since the epoch (as `time.time()`); None: never. The session is
    then closed with 4005. Raises `ValueError` if `user` is not a valid name or `expires_at` not a number.
    """

    user: str
    claims: dict[str, Any] = {}
    expires_at: float | None = None

    def __post_init__(self) -> None:
        check_name("user id", self.user)
        if self.expires_at is not None and not isinstance(self.expires_at, int | float):
            raise ValueError(f"expires_at must be a number of seconds, not {type(self.expires_at).__name__}")


class SessionInfo(msgspec.Struct, frozen=True):
    """The data of a session, for hooks and for other nodes.

    `opened_at`, `closed_at`: seconds since the epoch. `client`: the id that the client has sent in the handshake, or
    "". `groups`, `closed_at` and `last` are set when the session is lost: its groups, its end, and whether the user has
    no other session.
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
