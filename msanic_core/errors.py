"""The exceptions of the project. All except programming errors derive from `MsanicError`."""

from collections.abc import Iterable, Sequence

from msanic_core.codes import ReplyCode

TRY_AGAIN = "something that the server needs is away, try again"
"""The hint for clients when Redis or the database is unavailable. It does not show addresses."""
_FIRST_CLOSE_CODE = 1000


class MsanicError(Exception):
    """The base class of every error that the core raises on purpose."""


class ConfigError(MsanicError):
    """A setting is unknown, invalid, or contradicts another one. The text names the key and what to change."""


class PluginError(MsanicError):
    """A plugin cannot be used. The text has one line for each problem: the package(s), what is wrong, how to fix it."""

    def __init__(self, message: str, packages: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.packages = tuple(packages)


class CommandError(MsanicError):
    """Raised by a command handler or an HTTP route to answer with a code other than 0.

    `code`: a `ReplyCode`, or a plugin's own code from 100. `hint`: a sentence for the client's developer; by default
    the code's own. `data`: the `data` of the reply. `status`: the HTTP status in a route; by default the code's own.
    """

    def __init__(self, code: int, hint: str = "", data: object = None, *, status: int | None = None) -> None:
        super().__init__(hint or f"code {int(code)}")
        self.code = int(code)
        self.hint = hint
        self.data = data
        self.status = status


class StoreUnavailableError(CommandError):
    """The engine's store (Redis) did not answer in time. It may or may not have done what was asked.

    If a command handler does not catch it, the reply has code 10: the client can try again.
    """

    def __init__(self, hint: str) -> None:
        super().__init__(ReplyCode.TRY_AGAIN, hint)


class DatabaseUnavailableError(StoreUnavailableError):
    """The database is unavailable, or the connection was lost. It may or may not have done what was asked."""


class MigrationError(MsanicError):
    """Migrations are missing or do not fit together, or one has failed. The text says which, and how to fix it."""


class LockLostError(MsanicError):
    """Raised at the end of a block that has lost its lock: another task may have held the lock since then."""


class SplitError(MsanicError):
    """A split table does not support an operation, or its declaration is wrong. The text says what to do instead."""


class AuthenticationError(MsanicError):
    """Raised by an `authenticate` hook to refuse a login. The client gets the text as the close reason."""


class ReplyError(MsanicError):
    """Raised by a client's call if the reply has a code other than 0.

    `code`, `hint` and `data`: of the reply. It does not derive from `CommandError`: a handler that calls another server
    must not return that server's error as its own reply by accident.
    """

    def __init__(self, code: int, hint: str, data: object = None) -> None:
        super().__init__(f"code {code}: {hint}" if hint else f"code {code}")
        self.code = code
        self.hint = hint
        self.data = data


class RefusedError(MsanicError):
    """The server has refused the client or ended the connection for good: connecting again does not help.

    `code`: the close code (from 1000, see `codes.CLOSE_CODES`) or the HTTP status. `reason`: the server's text.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{'HTTP ' if code < _FIRST_CLOSE_CODE else ''}{code} {reason}".rstrip())
        self.code = code
        self.reason = reason


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """Return a hint, to append to a text, with the most similar one of `words`; "" if none is similar."""
    nearest = closest(word, words)
    return f"; did you mean {nearest!r}?" if nearest else ""


def closest(word: str, words: Iterable[str]) -> str | None:
    """Return the most similar one of `words`; None if none is similar."""
    import difflib

    return next(iter(difflib.get_close_matches(word, list(words), n=1)), None)
