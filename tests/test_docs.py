"""The tables of the documents are those of the code."""

import ast
import asyncio
import importlib
import re
import sys
from pathlib import Path

import msgspec
import pytest
from tortoise.context import TortoiseContext

from msanic_core import constraints, hookspecs
from msanic_core.codes import CLOSE_CODES, REPLY_CODES, OfflineReason, ReplyCode
from msanic_core.config.sections import SECTIONS
from msanic_core.db import Model, Page, PageAfter, SoftDeleteModel
from msanic_core.errors import CommandError
from msanic_core.testing.fixtures import forget_dialects
from tests.support import data_page
from tests.support.constraints import problem_with

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


def rows(document: str, heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    section = (DOCS / document).read_text().split(f"{heading}\n", 1)[1]
    table = section[section.index("|") :].split("\n\n")[0]
    lines = table.strip().splitlines()
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines[2:]]


def yes(value: bool) -> str:
    return "yes" if value else "no"


def test_reply_codes() -> None:
    names: dict[int, list[str]] = {}
    for name, code in ReplyCode.__members__.items():
        names.setdefault(code, []).append(name)
    expected = [
        [str(code), names[code][0], names[code][-1], str(row.http_status), yes(row.retry)]
        for code, row in REPLY_CODES.items()
    ]
    assert rows("protocol.md", "## Reply codes") == expected


def test_close_codes() -> None:
    expected = [[str(int(code)), row.reason, yes(row.reconnect)] for code, row in CLOSE_CODES.items()]
    assert rows("protocol.md", "## Close codes") == expected


def test_offline_reasons() -> None:
    assert [row[0] for row in rows("plugins.md", "## When a session is lost")] == [str(each) for each in OfflineReason]


def test_hooks() -> None:
    source = ast.parse(Path(hookspecs.__file__).read_text())
    specs = {
        node.name: {argument.arg for argument in node.args.args}
        for node in source.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.decorator_list
    }
    documented = {row[0]: set(re.findall(r"\w+", row[1])) for row in rows("plugins.md", "## Hooks")}
    assert documented == specs


@pytest.mark.parametrize("section", SECTIONS)
def test_settings(section: str) -> None:
    fields = msgspec.structs.fields(SECTIONS[section])
    documented = {row[0]: row[1] for row in rows("operating.md", f"### [{section}]")}
    assert documented == {field.name: msgspec.json.encode(default_of(field)).decode() for field in fields}


def default_of(field: msgspec.structs.FieldInfo) -> object:
    return field.default_factory() if field.default is msgspec.NODEFAULT else field.default


def test_programs_are_those_of_the_examples() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "client.md").read_text(), re.DOTALL)
    assert blocks == [(ROOT / "examples" / name).read_text() for name in ("client_greets.py", "client_resumes.py")]


def test_the_routes_shown_are_those_of_the_example() -> None:
    first, second = re.findall(r"```python\n(.*?)```", (DOCS / "http.md").read_text(), re.DOTALL)
    assert first == (ROOT / "examples" / "http_books.py").read_text()
    namespace: dict[str, object] = {"__name__": "docs_http"}
    exec(compile(second, "docs/http.md", "exec"), namespace)
    assert problem_with(namespace["Find"], {"plate": "B-1234", "throws": [6]}) == ""
    assert problem_with(namespace["Find"], {"plate": "b"}) == "data.plate: expected a plate such as B-1234"
    assert problem_with(namespace["Even"], 3) == "data: must be an even number"
    assert problem_with(namespace["GermanPhone"], "030 901820") == ""
    assert problem_with(namespace["StaffPassword"], "hunter22") == "data: must have 12 to 128 characters"


def test_the_constraints_are_those_of_the_package() -> None:
    documented = {name for row in rows("http.md", "## Constraints") for name in re.findall(r"\w+", row[0])}
    assert documented == set(constraints.__all__)


def test_the_tests_that_hold_the_guarantees_exist() -> None:
    named = re.findall(r"`((?:tests/\w+/)?test_\w+\.py)`", (DOCS / "guarantees.md").read_text())
    assert len(named) > 10
    assert not [name for name in named if not (ROOT / name).exists() and not (ROOT / "tests/faults" / name).exists()]


def test_the_tests_shown_to_plugin_authors_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    section = (DOCS / "plugins.md").read_text().split("\n## Tests\n", 1)[1].split("For faults there is more", 1)[0]
    monkeypatch.syspath_prepend(ROOT / "examples" / "hello_plugin")
    shown: dict[str, object] = {}
    for code in re.findall(r"```python\n(.*?)```", section, re.DOTALL):
        namespace: dict[str, object] = {}
        exec(compile(code, "docs/plugins.md", "exec"), namespace)
        shown |= {name: test for name, test in namespace.items() if name.startswith("test_")}
    assert set(shown) == {"test_say", "test_greeting"}
    for test in shown.values():
        assert callable(test)
        test()
    monkeypatch.delitem(sys.modules, "msanic_hello")


def test_the_models_shown_to_plugin_authors_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models_of_the_page.py").write_text(data_page.MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("models_of_the_page")
    (hint,) = re.findall(r"`(order: .*?)`", data_page.SECTION.replace("\n", " "))

    async def run() -> None:
        forget_dialects()
        async with TortoiseContext() as context:
            await context.init(db_url="sqlite://:memory:", modules={"notes": [module.__name__]})
            await context.generate_schemas()
            made = await module.new(None, module.New("a"))
            edited = await module.edit(None, module.Edit(made["id"], title="b"))
            assert edited == {"id": made["id"], "title": "b", "updated_at": (await module.Note.get()).updated_at}
            items = [{"id": made["id"], "title": "b"}]
            listed = await module.list_notes(None, module.List(order="-created_at,title", select="id,title"))
            assert listed == Page(items, 1, 1, 20)
            with pytest.raises(CommandError, match=re.escape(hint)):
                await module.list_notes(None, module.List(order="password"))
            after = await module.more_notes(None, module.More())
            assert after == PageAfter([module.Listed(made["id"], "b")], None, 20)
            code = compile(data_page.UPSERTS, "docs/data.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            await eval(code, vars(module))
            assert (module.visits.count, module.created) == (6, False)

    asyncio.run(run())
    monkeypatch.delitem(sys.modules, module.__name__)


def test_columns_of_the_base_models() -> None:
    table = rows("data.md", "## The base models")
    assert [row[0] for row in table if row[1] == "Model"] == list(Model._meta.fields_map)
    assert [row[0] for row in table] == list(SoftDeleteModel._meta.fields_map)
