import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Install = Callable[[str, str], None]


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working directory, and no setting in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("MSANIC_"):
            monkeypatch.delenv(name)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a plugin as pip does: a module with this source, and metadata with an entry point of this name."""
    site = tmp_path / "site"
    modules: list[str] = []

    def install_(name: str, source: str) -> None:
        module = f"cli_test_{name}"
        metadata = site / f"{module}-1.2.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: cli-test-{name}\nVersion: 1.2\n")
        (metadata / "entry_points.txt").write_text(f"[msanic_core]\n{name} = {module}\n")
        (site / f"{module}.py").write_text(source)
        modules.append(module)

    monkeypatch.syspath_prepend(site)
    yield install_
    for module in modules:
        sys.modules.pop(module, None)
