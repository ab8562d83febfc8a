"""A history that several processes write at once is read back whole."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults import history
from tests.faults.history import History, read_history

WRITER = """
import sys
from history import History

history = History(sys.argv[1])
for number in range(2000):
    history.record("pushed", user=sys.argv[2] * 100, number=number, id=number)
"""


def test_the_lines_of_several_processes_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "history"
    environment = {**os.environ, "PYTHONPATH": str(Path(history.__file__).parent)}
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), name], env=environment) for name in "abcd"]
    try:
        assert [writer.wait() for writer in writers] == [0] * 4
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    events = read_history(path)
    assert len(events) == 4 * 2000
    for writer, name in zip(writers, "abcd", strict=True):
        mine = [event for event in events if event["user"] == name * 100]
        assert [event["number"] for event in mine] == list(range(2000))
        assert {event["pid"] for event in mine} == {writer.pid}
        assert [event["time"] for event in mine] == sorted(event["time"] for event in mine)


@pytest.mark.parametrize(
    ("event", "fields"), [("pusht", {"user": "ada"}), ("killed", {}), ("killed", {"target": 1, "reason": "on purpose"})]
)
def test_an_event_that_is_not_in_the_table_is_refused(tmp_path: Path, event: str, fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=event):
        History(tmp_path / "history").record(event, **fields)


@pytest.mark.parametrize("line", ["", "{", "[]", "7", '{"event":"forgot"}', '{"event":"no","time":1,"pid":1}'])
def test_a_line_that_is_no_event_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "history"
    History(path).record("forgot")
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(ValueError, match="line 2 is no event"):
        read_history(path)


def test_a_line_that_is_being_written_is_not_there_yet(tmp_path: Path) -> None:
    path = tmp_path / "history"
    History(path).record("forgot")
    with path.open("a") as file:
        file.write('{"event":"for')
    assert [event["event"] for event in read_history(path)] == ["forgot"]


def test_every_event_is_in_the_table_of_the_docstring() -> None:
    lines = [line.split("|") for line in (history.__doc__ or "").splitlines() if line.startswith("| `")]
    assert {line[1].strip(" `"): set(line[2].split()) for line in lines} == history.FIELDS
