"""How long to wait before connecting again, and which close codes allow it at all."""

import random

import msgspec

from msanic_core.codes import CLOSE_CODES, CloseCode

_FOR_GOOD = range(4500, 5000)


class Backoff(msgspec.Struct, frozen=True):
    """Exponential backoff with full jitter: a random wait between 0 and a limit that doubles with each failure.

    All values are in seconds. `base` is the first limit, `cap` the highest. `spread` is the lowest limit after close
    code 1012, so that the clients of a restarting server come back at different times. A connection that lasted
    `stable` seconds resets the failures, unless it ended with 1013: that server is full.
    """

    base: float = 0.5
    cap: float = 30.0
    spread: float = 5.0
    stable: float = 10.0

    def failures(self, before: int, held: float, code: int | None) -> int:
        """Count the failures in a row. `held`: how long the last connection lasted, 0 if it never opened."""
        return 0 if held >= self.stable and code != CloseCode.TRY_LATER else before + 1

    def delay(self, failures: int, code: int | None = None) -> float:
        """Choose how many seconds to wait. `code`: the close code of the last connection."""
        # The exponent is bounded, because a client that fails for days would overflow the float.
        limit = min(self.cap, self.base * 2.0 ** min(max(0, failures - 1), 64))
        if code == CloseCode.RESTART:
            limit = max(limit, self.spread)
        return random.uniform(0.0, limit)


def may_reconnect(code: int | None) -> bool:
    """Whether a client may connect again after this close code; None if there was no close frame."""
    if code is None:
        return True
    row = CLOSE_CODES.get(code)
    return code not in _FOR_GOOD if row is None else row.reconnect
