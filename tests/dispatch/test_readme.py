"""The README of dispatch/ names what exists."""

import pytest

from tests.support.room_readme import PACKAGE, missing, names_in

README = (PACKAGE / "dispatch" / "README.md").read_text()


def test_what_the_page_names_exists() -> None:
    assert {"runner.py", "Carrier.take_over", "stepping.run_parked", "asyncio.TaskGroup"} <= set(names_in(README))
    assert not missing("dispatch", README)


@pytest.mark.parametrize(
    "name",
    ["walker.py", "Carrier.fly", "Carriage.wake", "stepping.hop", "asyncio.current_work()", "[ws] wings", "sys.fly"],
)
def test_a_name_that_does_not_exist_is_found(name: str) -> None:
    assert missing("dispatch", f"{README}\nSee `{name}`.") == [name.removesuffix("()")]
