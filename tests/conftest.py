"""What tests of several modules need: packages that are really installed, on a path of the test's own."""

import importlib
import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from textwrap import dedent

import pytest

from msanic_core.wire import Codecs

Install = Callable[..., str]

PRELUDE = """\
import msgspec
from msanic_core.commands import command
from msanic_core.hookspecs import hookimpl, hookspec
"""


@pytest.fixture
def codecs() -> Codecs:
    """Both encodings, with the limits a server has if nothing is said."""
    return Codecs()


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a package with one module; nothing else that is installed is found, but what is imported stays usable.

    `install("msanic-chat", "1.2", "chat", source)` writes the module with the lines of `PRELUDE` before the source,
    and the metadata with the entry point "chat"; the rest can be given by name. Returns the name of the module, which
    no other test has.
    """
    site = tmp_path / "site"
    site.mkdir()
    kept = [path for path in sys.path if "site-packages" not in path]
    monkeypatch.setattr(sys, "path", [str(site), *kept])
    number = itertools.count()
    modules = []

    def write(
        package: str, version: str, name: str, source: str = "", *, requires: Sequence[str] = (), attribute: str = ""
    ) -> str:
        module = f"{package.replace('-', '_')}_{tmp_path.name}_{next(number)}"
        modules.append(module)
        (site / f"{module}.py").write_text(PRELUDE + dedent(source))
        metadata = site / f"{package.replace('-', '_')}-{version}.dist-info"
        metadata.mkdir()
        needs = "".join(f"Requires-Dist: {each}\n" for each in requires)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n{needs}")
        target = f"{module}:{attribute}" if attribute else module
        (metadata / "entry_points.txt").write_text(f"[msanic_core]\n{name} = {target}\n" if name else "")
        importlib.invalidate_caches()
        return module

    yield write
    for module in modules:
        sys.modules.pop(module, None)
    importlib.invalidate_caches()
