"""The waits before connecting again, and the close codes that allow it."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msanic_core.client.backoff import Backoff, may_reconnect
from msanic_core.codes import CLOSE_CODES, CloseCode

BACKOFF = Backoff(base=1.0, cap=10.0, spread=4.0, stable=60.0)


def limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every wait as long as possible."""
    monkeypatch.setattr(random, "uniform", lambda low, high: high)


def test_the_limit_doubles_up_to_the_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    limits(monkeypatch)
    assert [BACKOFF.delay(failures) for failures in range(1, 7)] == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_after_a_connection_that_held_it_is_the_first_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    limits(monkeypatch)
    assert BACKOFF.delay(0) == 1.0


def test_days_of_failures() -> None:
    assert 0 <= BACKOFF.delay(1_000_000) <= 10.0


def test_waits_are_spread_over_the_whole_time() -> None:
    waits = [BACKOFF.delay(5) for _ in range(300)]
    assert 0 <= min(waits) < 1.0
    assert 9.0 < max(waits) <= 10.0


@pytest.mark.parametrize(("failures", "limit"), [(0, 4.0), (1, 4.0), (4, 8.0)])
def test_a_server_that_restarts_gets_its_clients_back_one_by_one(
    monkeypatch: pytest.MonkeyPatch, failures: int, limit: float
) -> None:
    limits(monkeypatch)
    assert BACKOFF.delay(failures, CloseCode.RESTART) == limit


@pytest.mark.parametrize(
    ("held", "code", "failures"),
    [
        (0.0, None, 4),
        (59.0, None, 4),
        (59.0, CloseCode.RESTART, 4),
        (60.0, None, 0),
        (60.0, CloseCode.RESTART, 0),
        (60.0, CloseCode.TRY_LATER, 4),
    ],
)
def test_what_puts_an_end_to_failures(held: float, code: int | None, failures: int) -> None:
    assert BACKOFF.failures(3, held, code) == failures


@pytest.mark.parametrize("code", CLOSE_CODES)
def test_every_code_of_the_table(code: int) -> None:
    assert may_reconnect(code) is CLOSE_CODES[code].reconnect


@given(st.integers(1000, 4999))
def test_codes_of_a_newer_server(code: int) -> None:
    if code not in CLOSE_CODES:
        assert may_reconnect(code) is (code < 4500)


def test_a_connection_that_broke_off() -> None:
    assert may_reconnect(None)
