import tomllib
from importlib import util
from pathlib import Path

import pytest

from benchmarks import environments
from benchmarks.environments import EnvironmentProblem, prepare
from benchmarks.extra_plugins import COUNT, write_plugins
from msanic_core.config import settings_from
from msanic_core.plugins import load_plugins


def test_without_a_compiler_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments, "HOME", tmp_path / ".env")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(EnvironmentProblem, match=r"^cc is not installed, .* apt-get install gcc"):
        prepare([])


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
