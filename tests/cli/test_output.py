import io
import json
import sys

import pytest

from msanic_core.cli import output


def test_table_is_as_wide_as_its_cells() -> None:
    assert output.table(("a", "long"), [("wide cell", ""), ("x", "two\nlines")]) == (
        "A          LONG\n"  #
        "wide cell  -\n"
        "x          two lines"
    )


def test_table_without_rows_is_its_headings() -> None:
    assert output.table(("a", "b"), []) == "A  B"


def test_error_is_one_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    output.error("first\n  second")
    assert capsys.readouterr() == ("", "msanic-core: error: first second\n")


@pytest.mark.parametrize(
    ("encoding", "text", "shown"),
    [("utf-8", "é", '"é"'), ("ascii", "é", '"\\u00e9"'), ("utf-8", "\ud800", '"\\ud800"')],
)
def test_json_is_readable_where_stdout_can_show_it(
    encoding: str, text: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    assert output.json_text(text) == shown
    assert json.loads(shown) == text
