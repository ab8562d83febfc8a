"""What errors are taken for: of a store that is away, of one that is full, or of the call itself."""

import pytest
from redis import exceptions as errors

from msanic_core.engine.redis.failures import says_away, says_full, words


@pytest.mark.parametrize(
    "answer",
    [
        OSError("refused"),
        errors.ConnectionError("closed"),
        errors.TimeoutError("late"),
        errors.BusyLoadingError("loading"),
        errors.ReadOnlyError("replica"),
        errors.ClusterDownError("down"),
        errors.ResponseError("BUSY a script is running"),
        errors.ResponseError("Error running script: @user_script:1: -READONLY You can't write against a replica."),
    ],
    ids=repr,
)
def test_a_store_that_is_away(answer: Exception) -> None:
    assert says_away(answer)
    assert not says_full(answer)


@pytest.mark.parametrize(
    "answer",
    [
        errors.OutOfMemoryError("command not allowed"),
        errors.ResponseError("MISCONF errors writing to the disk"),
        errors.ResponseError("NOREPLICAS not enough good replicas"),
        errors.ResponseError("Error running script: @user_script:1: -OOM command not allowed"),
    ],
    ids=repr,
)
def test_a_store_that_is_full(answer: Exception) -> None:
    assert says_full(answer)
    assert not says_away(answer)


@pytest.mark.parametrize(
    "answer",
    [b"READONLY ", 1, None, errors.ResponseError("WRONGTYPE of a key"), errors.DataError("no text")],
    ids=repr,
)
def test_an_answer_to_one_call(answer: object) -> None:
    assert not says_away(answer)
    assert not says_full(answer)


def test_an_error_without_a_text_is_a_timeout() -> None:
    assert words(TimeoutError()) == "no answer in time"
    assert words(OSError("refused")) == "refused"
