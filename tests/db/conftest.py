import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.model_packages import WriteModels, forget_models, import_models, write_models


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory on the path for plugins of the test, of this process and of those that it starts."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")])))
    yield site
    for package in site.glob("msanic_*/"):
        forget_models(package.name.removeprefix("msanic_"))


@pytest.fixture
def plugin(site: Path) -> WriteModels:
    """Write a plugin with models, as `write_models` does, and import it."""

    def write(name: str, models: str, source: str = "") -> ModuleType:
        write_models(site, name, models, source)
        return import_models(name)

    return write
