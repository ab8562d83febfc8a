"""The phases of the sessions that a node holds."""

import pytest

from msanic_core.engine.redis.held import HeldSessions, Phase


def test_a_session_is_in_one_phase() -> None:
    held = HeldSessions()
    assert held.phase("s1") is None
    assert not held
    for phase in Phase:
        held.put("s1", phase)
        assert held.phase("s1") is phase
        assert len(held) == 1
    held.drop("s1")
    assert held.phase("s1") is None
    assert not held


@pytest.mark.parametrize("phase", Phase)
def test_open_sessions_are_counted_and_lost_ones_have_jobs(phase: Phase) -> None:
    held = HeldSessions()
    held.put("s1", Phase.OPEN)
    held.put("s2", phase)
    assert held.count == 1 + (phase in (Phase.RECORDING, Phase.OPEN))
    assert held.has_job("s2") is (phase in (Phase.CLAIMING, Phase.LOST))
    held.drop("s2")
    held.drop("s2")
    assert held.count == 1
    held.clear()
    assert held.count == 0


def test_the_last_plugin_that_is_told() -> None:
    held = HeldSessions()
    held.put("s1", Phase.LOST, ["chat", "shop"])
    assert not held.told("s1", "chat")
    assert not held.told("s1", "chat")
    assert held.told("s1", "shop")


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.LOST])
def test_of_a_session_that_is_not_lost_no_plugin_is_told(phase: Phase) -> None:
    held = HeldSessions()
    held.put("s1", Phase.LOST, ["chat"])
    held.put("s1", phase)
    assert not held.told("s1", "chat")
    held.clear()
    assert not held.told("s1", "chat")
