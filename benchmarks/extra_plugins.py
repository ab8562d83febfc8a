"""Nine plugin packages with nothing in them but a command and a hook: with `msanic-bench` they are ten."""

from pathlib import Path

COUNT = 9

_PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "msanic-{name}"
version = "0.1.0"
dependencies = ["msanic-core>=0.1"]

[project.entry-points.msanic_core]
{name} = "msanic_{name}"

[tool.hatch.build.targets.wheel]
packages = ["msanic_{name}.py"]
"""

_MODULE = """\
from msanic_core import command, hookimpl


@command("{name}.ping")
async def ping(ctx, data: str) -> str:
    return data


@hookimpl
def ws_command():
    return [ping]


@hookimpl
async def ws_offline(session, reason):
    pass
"""


def write_plugins(directory: Path) -> list[Path]:
    """Write the packages below `directory`; returns what pip is to install."""
    projects = []
    for number in range(1, COUNT + 1):
        name = f"extra{number}"
        project = directory / f"msanic-{name}"
        project.mkdir(parents=True, exist_ok=True)
        (project / "pyproject.toml").write_text(_PROJECT.format(name=name))
        (project / f"msanic_{name}.py").write_text(_MODULE.format(name=name))
        projects.append(project)
    return projects
