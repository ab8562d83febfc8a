"""The message path is what it is said to be: compiled under `make test-compiled`, else the .py files themselves."""

import importlib
import os
import tomllib
from importlib.machinery import ExtensionFileLoader, SourceFileLoader
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HOOKS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]
FILES: list[str] = HOOKS["custom"]["compile"]
LOADER = ExtensionFileLoader if os.environ.get("TESTS_COMPILED") == "1" else SourceFileLoader


def test_there_are_files_to_compile() -> None:
    assert FILES
    assert sorted(set(FILES)) == FILES
    # What `msanic-core version` looks at.
    assert "msanic_core/wire/reader.py" in FILES


@pytest.mark.parametrize("file", FILES)
def test_a_file_to_compile_exists_and_is_loaded_as_it_should_be(file: str) -> None:
    assert (ROOT / file).is_file()
    module = importlib.import_module(file.removesuffix(".py").replace("/", "."))
    assert module.__spec__ is not None
    assert isinstance(module.__spec__.loader, LOADER), f"{module.__spec__.origin}: `pip install -e .` decides it anew"
