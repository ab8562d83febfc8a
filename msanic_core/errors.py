"""The exceptions of the project. All but programming errors descend from `MsanicError`."""

from collections.abc import Iterable, Sequence

from msanic_core.codes import ReplyCode

TRY_AGAIN = "something that the server needs is away, try again"
"""What clients are told of Redis and the database: where these are is nobody's business."""
_FIRST_CLOSE_CODE = 1000


class MsanicError(Exception):
    """Base of every error the core raises on purpose."""


class ConfigError(MsanicError):
    """A setting is unknown, has the wrong type, or contradicts another. The text names the key and the mend."""


class PluginError(MsanicError):
    """A plugin cannot be used. The text is one line naming the package(s) and the mend."""

    def __init__(self, message: str, packages: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.packages = tuple(packages)


class CommandError(MsanicError):
    """Raised by a command handler to answer with a code other than 0.

    `code`: a `ReplyCode`, or 100 and up for a plugin's own. `hint`: a sentence for the client's developer; empty
    means the code's own. `data`: sent as `data` of the reply. `status`: of HTTP, where a route raises it; by default
    the code's own.
    """

    def __init__(self, code: int, hint: str = "", data: object = None, *, status: int | None = None) -> None:
        super().__init__(hint or f"code {int(code)}")
        self.code = int(code)
        self.hint = hint
        self.data = data
        self.status = status


class StoreUnavailableError(CommandError):
    """The engine's store (Redis) gave no answer in time. What was asked for may have been done or not.

    A command handler that lets it through answers with code 10: trying again can help.
    """

    def __init__(self, hint: str) -> None:
        super().__init__(ReplyCode.TRY_AGAIN, hint)


class DatabaseUnavailableError(StoreUnavailableError):
    """The database cannot be reached, or the connection was lost. What was asked for may have been done or not."""


class MigrationError(MsanicError):
    """Migrations are missing, do not fit together, or one has failed. The text says which, what stands and the mend."""


class LockLostError(MsanicError):
    """Raised at the end of a block whose lock was lost while it ran: another may have held it since."""


class SplitError(MsanicError):
    """A split table cannot do what it was asked for, or its declaration is wrong. The text says what to do instead."""


class AuthenticationError(MsanicError):
    """Raised by an `authenticate` hook to refuse a login. The text is told to the client as the close reason."""


class ReplyError(MsanicError):
    """Raised by a client's call whose reply has a code other than 0.

    `code`, `hint` and `data` as in the reply. It is no `CommandError`: what another server answered to a call that a
    handler makes is not to become the handler's own answer by accident.
    """

    def __init__(self, code: int, hint: str, data: object = None) -> None:
        super().__init__(f"code {code}: {hint}" if hint else f"code {code}")
        self.code = code
        self.hint = hint
        self.data = data


class RefusedError(MsanicError):
    """The server does not want this client, or no longer: it is of no use to connect again without a change.

    `code`: the close code (1000 and up, see `codes.CLOSE_CODES`) or the HTTP status with which it said so.
    `reason`: the text that came with it.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{'HTTP ' if code < _FIRST_CLOSE_CODE else ''}{code} {reason}".rstrip())
        self.code = code
        self.reason = reason


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """Return a question with that one of `words` which is most like `word`, to put behind a text; "" if none is."""
    nearest = closest(word, words)
    return f"; did you mean {nearest!r}?" if nearest else ""


def closest(word: str, words: Iterable[str]) -> str | None:
    """Return that one of `words` which is most like `word`; None if none is like it."""
    import difflib

    return next(iter(difflib.get_close_matches(word, list(words), n=1)), None)
