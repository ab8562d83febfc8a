"""`msanic-core db` on the command line; tests/db tests its effects on databases."""

import asyncio
import json
from pathlib import Path

import pytest

from msanic_core.cli import main
from msanic_core.cli.db import NO_MODELS
from tests.support.migrations import make
from tests.support.model_packages import forget_package, write_models

NOTE = "class Note(Model):\n    id = fields.IntField(primary_key=True)\n"


@pytest.fixture
def flags(site: Path, tmp_path: Path) -> list[str]:
    write_models(site, "books", NOTE)
    return ["--db", f"sqlite://{tmp_path}/data.db", "--set", 'plugins.load=["books"]']


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    forget_package("sample_books")
    code = main(["db", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_way_of_a_model(capsys: pytest.CaptureFixture[str], flags: list[str], site: Path) -> None:
    code, out, _ = run(capsys, "status", *flags)
    assert (code, out.splitlines()) == (
        1,
        [
            "PLUGIN       MIGRATION     STATE",
            "msanic_core  0001_initial  pending",
            "books        -             models changed",
            "Models differ from what migrations make; write those that are missing with: msanic-core db make",
            "Apply what is pending with: msanic-core db migrate",
        ],
    )
    directory = site / "sample_books" / "migrations"
    assert run(capsys, "make", *flags) == (0, f"{directory}/0001_initial.py\n", "")
    assert run(capsys, "make", *flags) == (0, "No model has changed.\n", "")
    assert run(capsys, "make", "books", "--empty", "--name", "Fill in", *flags)[1] == f"{directory}/0002_fill_in.py\n"
    code, out, err = run(capsys, "migrate", "books", "0001", *flags)
    assert (code, out) == (0, "1 migration applied.\n")
    assert err.startswith("msanic-core: applying books 0001_initial\nmsanic-core: applied books 0001_initial in 0.")
    code, out, _ = run(capsys, "status", "--json", *flags)
    applied = {"applied": ["0001_initial"], "pending": [], "unknown": [], "changed": False}
    assert code == 1
    assert json.loads(out) == {
        "plugins": [
            {**applied, "name": "msanic_core", "applied": [], "pending": ["0001_initial"]},
            {**applied, "name": "books", "pending": ["0002_fill_in"]},
        ]
    }
    assert run(capsys, "migrate", *flags)[:2] == (0, "2 migrations applied.\n")
    assert run(capsys, "migrate", *flags) == (0, "Everything is applied.\n", "")
    assert run(capsys, "status", *flags)[0] == 0
    assert run(capsys, "downgrade", "books", "zero", *flags)[:2] == (0, "2 migrations taken back.\n")
    assert run(capsys, "downgrade", "books", *flags) == (0, "There is nothing to take back.\n", "")
    code, out, _ = run(capsys, "sql", "books", "0001", *flags)
    assert code == 0
    assert 'CREATE TABLE "books_note" (' in out
    assert 'DROP TABLE "books_note"' in run(capsys, "sql", "books", "0001", "--backward", *flags)[1]


def test_a_migration_that_fails(capsys: pytest.CaptureFixture[str], flags: list[str], site: Path) -> None:
    asyncio.run(make("books"))
    file = site / "sample_books" / "migrations" / "0001_initial.py"
    file.write_text(file.read_text().replace("operations = [", "operations = [\n        ops.RunSQL('nonsense'),"))
    code, out, err = run(capsys, "migrate", *flags)
    assert (code, out) == (1, "")
    assert "msanic-core: error: books.0001_initial: operation 1 of 2 (Run SQL) failed: OperationalError: near" in err


def test_without_models(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "status", "--set", "plugins.load=[]") == (0, f"{NO_MODELS}\n", "")
    assert run(capsys, "status", "--json", "--set", "plugins.load=[]") == (0, '{"plugins": []}\n', "")


def test_a_database_that_is_away(capsys: pytest.CaptureFixture[str], flags: list[str]) -> None:
    code, out, err = run(capsys, "status", *flags, "--db", "postgres://127.0.0.1:1/x")
    assert (code, out) == (75, "")
    assert err.startswith("msanic-core: error: the database postgres://127.0.0.1:1/x cannot be reached: ")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["make", "--empty"], "--empty needs a PLUGIN"),
        ([], "the following arguments are required: SUB-VERB"),
        (["downgrade"], "the following arguments are required: PLUGIN"),
        (["sql", "books"], "the following arguments are required: NAME"),
    ],
)
def test_a_command_line_that_is_wrong(
    capsys: pytest.CaptureFixture[str], flags: list[str], arguments: list[str], error: str
) -> None:
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert error in err


def test_a_plugin_that_is_broken_stops_it(capsys: pytest.CaptureFixture[str], flags: list[str], site: Path) -> None:
    (site / "sample_books" / "models.py").write_text("import nowhere_to_be_found\n")
    code, _, err = run(capsys, "status", *flags)
    assert code == 2
    assert "sample-books 1.0: cannot be imported" in err
