"""What an error means: Redis is away, Redis is full, or the call is wrong."""

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
"""Errors that are not about the call."""

# For these codes redis-py has no class. Up to Redis 6.2 the error of a script is inside the text of another error.
_AWAY_CODE = re.compile(r"(?:^|-)(?:BUSY|READONLY) ")
_FULL_CODE = re.compile(r"(?:^|-)(?:MISCONF|NOREPLICAS|OOM) ")


def says_away(answer: Any) -> bool:
    """Whether an answer means that Redis cannot be used now. A server or redis-py itself may say so."""
    if isinstance(answer, errors.ResponseError) and _AWAY_CODE.search(str(answer)):
        return True
    of_client = isinstance(answer, errors.RedisError) and not isinstance(
        answer, errors.ResponseError | errors.DataError
    )
    return isinstance(answer, AWAY) or of_client


def says_full(answer: Any) -> bool:
    """Whether an answer means that Redis accepts no writes now, though it may later."""
    is_code = isinstance(answer, errors.ResponseError) and _FULL_CODE.search(str(answer))
    return isinstance(answer, errors.OutOfMemoryError) or bool(is_code)


def words(error: BaseException) -> str:
    """The text of an error, for people."""
    return str(error) or "no answer in time"
