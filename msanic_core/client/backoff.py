"""How long to wait before connecting again, and after which close codes to do so at all."""

import random

import msgspec

from msanic_core.codes import CLOSE_CODES, CloseCode

_FOR_GOOD = range(4500, 5000)


class Backoff(msgspec.Struct, frozen=True):
    """Waits of a random length between 0 and a limit, which doubles with each failure: exponential, with full jitter.

    In seconds: `base` is the first limit and `cap` the highest. `spread` is the least limit after close code 1012: all
    clients of a server that restarts come back at different times. A connection that held for `stable` puts an end to
    the failures before it, unless it ended with 1013: that server is too full to come back to at once.
    """

    base: float = 0.5
    cap: float = 30.0
    spread: float = 5.0
    stable: float = 10.0

    def failures(self, before: int, held: float, code: int | None) -> int:
        """Count the failures in a row, after a connection that `held` for so many seconds, 0 if it never opened."""
        return 0 if held >= self.stable and code != CloseCode.TRY_LATER else before + 1

    def delay(self, failures: int, code: int | None = None) -> float:
        """Choose how many seconds to wait; `code`: with which the last connection was closed."""
        # The exponent has a bound of its own: a float does not go as far as a client that is left alone for days.
        limit = min(self.cap, self.base * 2.0 ** min(max(0, failures - 1), 64))
        if code == CloseCode.RESTART:
            limit = max(limit, self.spread)
        return random.uniform(0.0, limit)


def may_reconnect(code: int | None) -> bool:
    """Whether a client may connect again after this close code; None: the connection ended without one."""
    if code is None:
        return True
    row = CLOSE_CODES.get(code)
    return code not in _FOR_GOOD if row is None else row.reconnect
