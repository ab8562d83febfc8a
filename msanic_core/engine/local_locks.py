"""Locks within one process: first come, first served."""

import asyncio
from weakref import WeakValueDictionary


class LocalLocks:
    """A lock for each name. A lock that nobody uses takes no memory."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def of(self, name: str) -> asyncio.Lock:
        """The lock of a name: the same object for as long as a caller keeps it."""
        lock = self._locks.get(name)
        if lock is None:
            lock = self._locks[name] = asyncio.Lock()
        return lock


def not_free(name: str, wait: float | None) -> TimeoutError:
    """The error of a task whose time to wait is over; `wait` in seconds."""
    return TimeoutError(f"lock {name!r} was not free within {wait or 0:g} s")
