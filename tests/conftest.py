"""What several tests need: packages that are really installed. Real services are in `msanic_core.testing.fixtures`."""

import importlib
import os
import shlex
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import packaging.requirements  # noqa: F401 - `install` hides it, and the core imports it when it first needs it
import pytest

from msanic_core.cli import main
from msanic_core.config import settings_from
from msanic_core.plugins.loading import load_plugins
from msanic_core.plugins.plugin import PluginSet
from msanic_core.wire import Codecs

pytest.register_assert_rewrite("tests.support")

from tests.support.model_packages import CommandLine, WriteModels, forget_package, import_models, write_models  # noqa: E402
from tests.support.raw_clients import MakePlugin, Raw, connect_raw, make_plugin_of  # noqa: E402
from tests.support.websockets import Ends  # noqa: E402

Install = Callable[..., str]
Load = Callable[..., PluginSet]

PRELUDE = """\
import msgspec
from msanic_core import command, hookimpl, hookspec
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a package with one module; nothing else that is installed is found, but what is imported stays usable.

    `install("msanic-chat", "1.2", "chat", source)` writes the module with the lines of `PRELUDE` before the source,
    and the metadata with the entry point "chat". Returns the name of the module, which no other test has.
    """
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.setattr(sys, "path", [str(site), *(path for path in sys.path if "site-packages" not in path)])
    modules: list[str] = []

    def install(
        package: str, version: str, name: str, source: str = "", *, requires: Sequence[str] = (), attribute: str = ""
    ) -> str:
        module = f"{package.replace('-', '_')}_{tmp_path.name}_{len(modules)}"
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

    yield install
    for module in modules:
        sys.modules.pop(module, None)
    importlib.invalidate_caches()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory for plugins with models, on the path of this process and of those that the test starts."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")])))
    yield site
    for file in site.glob("*/__init__.py"):
        forget_package(file.parent.name)


@pytest.fixture
def plugin(site: Path) -> WriteModels:
    """Write a plugin with models, as `write_models` does, and import it."""

    def write(name: str, models: str, source: str = "") -> ModuleType:
        write_models(site, name, models, source)
        return import_models(name)

    return write


@pytest.fixture
def codecs() -> Codecs:
    return Codecs()


@pytest.fixture
def load(install: Install) -> Load:
    """Load what is installed, with the [plugins] section given."""

    def load(section: Mapping[str, Any] | None = None, extra: Mapping[str, object] | None = None) -> PluginSet:
        return load_plugins(settings_from({"plugins": dict(section or {})}), extra)

    return load


@pytest.fixture
def command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """Run `msanic-core` with the plugin shop only; gives what it prints, and fails if the exit code is not 0."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MSANIC_PLUGINS__LOAD", '["shop"]')

    def run(arguments: str) -> str:
        forget_package("msanic_shop")
        code = main(shlex.split(arguments))
        captured = capsys.readouterr()
        assert code == 0, captured.out + captured.err
        return captured.out

    return run


@pytest.fixture
def raw() -> Raw:
    """Connect to a port with a client that sends raw bytes."""
    return connect_raw


@pytest.fixture
def ipv6_loopback() -> str:
    """The address, where there is IPv6."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    return "::1"


@pytest.fixture
def make_plugin() -> MakePlugin:
    """Make a plugin of hook functions: `make_plugin(ws_command=lambda: [...])`."""
    return make_plugin_of


@pytest.fixture
def ends(make_plugin: MakePlugin) -> Ends:
    return Ends(make_plugin)
