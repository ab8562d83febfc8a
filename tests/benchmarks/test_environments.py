import shutil
import tomllib
from collections.abc import Callable
from importlib import util
from pathlib import Path

import pytest

from benchmarks import environments
from benchmarks.environments import ROOT, EnvironmentProblem, Stamp, core_files, prepare
from benchmarks.extra_plugins import COUNT, write_plugins
from msanic_core.config import settings_from
from msanic_core.plugins.loading import load_plugins


def test_without_a_compiler_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments, "HOME", tmp_path / ".env")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(EnvironmentProblem, match=r"^cc is not installed, .* apt-get install gcc"):
        prepare([])


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


def test_the_core_is_installed_again_when_what_it_is_made_of_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environments, "ROOT", tmp_path)
    shutil.copytree(ROOT / "msanic_core", tmp_path / "msanic_core")
    for name in ("hatch_build.py", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    project, wire = tmp_path / "pyproject.toml", tmp_path / "msanic_core" / "wire"

    def stamp() -> Stamp:
        return Stamp(tmp_path, [], core_files())

    changes: list[Callable[[], object]] = [
        lambda: append(wire / "reader.py", "\n"),
        lambda: (wire / "reader.py").rename(wire / "reading.py"),
        lambda: (tmp_path / "msanic_core" / "py.typed").unlink(),
        lambda: append(tmp_path / "hatch_build.py", "\n"),
        lambda: append(project, "\n[tool.hatch.build.targets.wheel.hooks.other]\n"),
    ]
    for make in changes:
        stamp().write()
        assert stamp().fits()
        make()
        assert not stamp().fits()

    stamp().write()
    (wire / "reading.so").write_bytes(b"\xff")
    append(project, "\n[tool.other]\n")
    assert stamp().fits()


def test_extra_plugins_are_plugins_of_their_own(tmp_path: Path) -> None:
    modules: dict[str, object] = {}
    for project in write_plugins(tmp_path):
        [entry] = tomllib.loads((project / "pyproject.toml").read_text())["project"]["entry-points"][
            "msanic_core"
        ].items()
        spec = util.spec_from_file_location(entry[1], project / f"{entry[1]}.py")
        assert spec is not None
        assert spec.loader is not None
        modules[entry[0]] = module = util.module_from_spec(spec)
        spec.loader.exec_module(module)
    plugins = load_plugins(settings_from({"plugins": {"load": []}}), modules)
    plugins.check()
    assert len(modules) == COUNT
    assert {name for name, _ in plugins.commands} == modules.keys()
    assert {each.plugin.name for each in plugins.implementations("ws_offline")} == modules.keys()
