"""What an error of Redis, or of redis-py, says about the store and about the call that got it."""

import re
from typing import Any

from redis import exceptions as errors

AWAY = (
    OSError,
    errors.AskError,
    errors.BusyLoadingError,
    errors.ClusterDownError,
    errors.ConnectionError,
    errors.MasterDownError,
    errors.ReadOnlyError,
    errors.RedisClusterException,
    errors.TimeoutError,
    errors.TryAgainError,
)
"""Errors that say nothing of the call itself."""

_AWAY_CODE = re.compile(r"(?:^|-)(?:BUSY|READONLY) ")
_FULL_CODE = re.compile(r"(?:^|-)(?:MISCONF|NOREPLICAS|OOM) ")
"""The same, where redis-py has no class for it; up to Redis 6.2 a script's error is within another's text."""


def says_away(answer: Any) -> bool:
    """Whether an answer says that Redis cannot be used now: of a server, or an error that redis-py itself raises."""
    if isinstance(answer, errors.ResponseError) and _AWAY_CODE.search(str(answer)):
        return True
    of_client = isinstance(answer, errors.RedisError) and not isinstance(
        answer, errors.ResponseError | errors.DataError
    )
    return isinstance(answer, AWAY) or of_client


def says_full(answer: Any) -> bool:
    """Whether an answer says that Redis takes nothing in now, though it may later."""
    is_code = isinstance(answer, errors.ResponseError) and _FULL_CODE.search(str(answer))
    return isinstance(answer, errors.OutOfMemoryError) or bool(is_code)


def words(error: BaseException) -> str:
    """The text of an error, for people."""
    return str(error) or "no answer in time"
