"""The names that plugins import from `msanic_core.db`."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from msanic_core import db

DOCS = Path(__file__).parent.parent.parent / "docs"


def test_every_public_name_is_there() -> None:
    assert set(db.__all__) == set(db._HOMES)
    assert set(db.__all__) <= set(dir(db))
    for name in db.__all__:
        assert getattr(db, name) is not None
    namespace: dict[str, object] = {}
    exec("from msanic_core.db import *", namespace)
    assert set(db.__all__) <= set(namespace)


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match=r"^module 'msanic_core.db' has no attribute 'Modell'$"):
        db.Modell  # noqa: B018


def test_the_documents_import_public_names_only() -> None:
    text = "\n".join(path.read_text() for path in DOCS.glob("*.md"))
    imports = re.findall(r"^ *from (msanic_core\.db[.\w]*) import (.*)$", text, re.MULTILINE)
    assert len(imports) > 5
    assert {module for module, _ in imports} == {"msanic_core.db"}
    assert {name for _, names in imports for name in names.split(", ")} <= set(db.__all__)


@pytest.mark.parametrize("use", ["", "db.Page; db.page_after"])
def test_importing_the_package_imports_no_tortoise(use: str) -> None:
    code = f"import sys; from msanic_core import db; {use}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "msanic_core" in result.stdout.split()
    assert not {"tortoise", "pypika_tortoise", "aiosqlite"} & set(result.stdout.split())


def test_routes_without_models_import_no_tortoise() -> None:
    code = "import sys, msanic_core.http.mounting; print(*{name.split('.')[0] for name in sys.modules})"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "tortoise" not in result.stdout.split()
