"""The phases of the sessions that a node holds, and their jobs."""

import pytest

from msanic_core.engine.redis.held import HeldSessions, Phase

BEFORE = [phase for phase in Phase if phase is not Phase.LOST]


def begin(held: HeldSessions, session_id: str, phase: Phase) -> None:
    if phase is Phase.LOST:
        held.lose(session_id, "a.1", ["chat"])
    else:
        held.put(session_id, phase)


def test_a_session_is_in_one_phase() -> None:
    held = HeldSessions()
    assert held.phase("s1") is None
    assert not held
    for phase in Phase:
        begin(held, "s1", phase)
        assert held.phase("s1") is phase
        assert len(held) == 1
    held.drop("s1")
    assert held.phase("s1") is None
    assert not held


@pytest.mark.parametrize("phase", Phase)
def test_open_sessions_are_counted(phase: Phase) -> None:
    held = HeldSessions()
    held.put("s1", Phase.OPEN)
    begin(held, "s2", phase)
    assert held.count == 1 + (phase in (Phase.RECORDING, Phase.OPEN))
    assert held.has_ended("s2") is (phase in (Phase.UNREGISTERING, Phase.CLAIMING, Phase.LOST))
    held.drop("s2")
    held.drop("s2")
    assert held.count == 1
    held.abandon()
    assert held.count == 0
    assert not held


def test_the_last_plugin_that_is_told() -> None:
    held = HeldSessions()
    held.lose("s1", "a.1", ["chat", "shop"])
    assert not held.told("s1", "chat")
    assert not held.told("s1", "chat")
    assert held.told("s1", "shop")


@pytest.mark.parametrize("phase", BEFORE)
def test_only_a_lost_session_has_a_job(phase: Phase) -> None:
    held = HeldSessions()
    held.lose("s1", "a.1", ["chat"])
    assert held.job_owner("s1") == "a.1"
    held.put("s1", phase)
    assert held.job_owner("s1") is None


def test_jobs_outlive_the_name_under_which_they_are_held() -> None:
    held = HeldSessions()
    held.lose("s1", "a.1", ["chat"])
    held.put("s2", Phase.OPEN)
    held.abandon()
    assert held.job_owner("s1") == "a.1"
    assert held.phase("s2") is None
    held.drop_job("s1")
    assert not held


def test_a_job_stays_while_it_is_claimed_from_the_name_under_which_it_is_held() -> None:
    held = HeldSessions()
    held.lose("s1", "a.1", ["chat"])
    held.claim("s1", "a.1")
    assert (held.phase("s1"), held.job_owner("s1")) == (Phase.CLAIMING, "a.1")
    held.end_claim("s1")
    assert (held.phase("s1"), held.job_owner("s1")) == (Phase.LOST, "a.1")
    held.claim("s1", "a.1")
    held.drop_job("s1")
    assert (held.phase("s1"), held.job_owner("s1")) == (Phase.CLAIMING, None)
    held.end_claim("s1")
    assert not held


def test_a_job_goes_when_it_is_claimed_from_another() -> None:
    held = HeldSessions()
    held.lose("s1", "a.1", ["chat"])
    held.claim("s1", "b.1")
    assert (held.phase("s1"), held.job_owner("s1")) == (Phase.CLAIMING, None)
