"""The README of session/ names what exists, and its tables have the states of `state.py`."""

import re
from enum import Enum

import pytest

from msanic_core.session.state import InboxState, SessionState
from tests.support.room_readme import PACKAGE, missing, names_in

README = (PACKAGE / "session" / "README.md").read_text()


def states_in(page: str, state: type[Enum]) -> set[str]:
    """The states in the first two columns of the table below the heading that names `state`."""
    section = page.split(f"(`{state.__name__}`)\n", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| (.*?) \| (.*?) \|", section.replace("| | ", "|  | "), re.MULTILINE)[2:]
    return {each for row in rows for cell in row for each in re.findall(r"[A-Z]+", cell)}


def test_what_the_page_names_exists() -> None:
    named = {"state.py", "Registry.remove", "Session.received", "replay.confirm_alive", "[offline] yield_after"}
    assert named <= set(names_in(README))
    assert not missing("session", README)


@pytest.mark.parametrize("name", ["walker.py", "Session.fly", "Session_.close", "replay.hop", "[offline] wings"])
def test_a_name_that_does_not_exist_is_found(name: str) -> None:
    assert missing("session", f"{README}\nSee `{name}`.") == [name]


@pytest.mark.parametrize("state", [SessionState, InboxState])
def test_the_tables_have_every_state_and_no_other(state: type[Enum]) -> None:
    assert states_in(README, state) == set(state.__members__)
    assert states_in(README.replace("CLOSED", "GONE").replace("BEHIND", "GONE"), state) != set(state.__members__)
