"""Plugin packages with models, written to be imported by tests and by the processes that these start."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from types import ModuleType

WriteModels = Callable[..., ModuleType]
CommandLine = Callable[[str], str]

_MODELS = """\
from tortoise import fields
from tortoise.models import Model
"""
_PLUGIN = """\
from msanic_core import command, hookimpl
from {package} import models

@hookimpl
def db_models():
    return models
"""


def write_models(directory: Path, name: str, models: str, plugin: str = "") -> None:
    """Write the package `sample_NAME`, whose entry point is NAME, with a module `models`.

    `plugin`: further source of the package itself, which already has the `db_models` hook.
    """
    package = directory / f"sample_{name}"
    package.mkdir(exist_ok=True)
    (package / "models.py").write_text(_MODELS + dedent(models))
    (package / "__init__.py").write_text(_PLUGIN.format(package=package.name) + dedent(plugin))
    metadata = directory / f"sample_{name}-1.0.dist-info"
    metadata.mkdir(exist_ok=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: sample-{name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[msanic_core]\n{name} = sample_{name}\n")


def import_models(name: str) -> ModuleType:
    """Import the package that `write_models` has written, as it is now."""
    return import_package(f"sample_{name}")


def import_package(package: str) -> ModuleType:
    """Import a package as it is written now: another test may have had one of the same name."""
    forget_package(package)
    return importlib.import_module(package)


def forget_package(package: str) -> None:
    """Have a package imported anew by who imports it next."""
    for module in [each for each in sys.modules if each == package or each.startswith(f"{package}.")]:
        del sys.modules[module]
    importlib.invalidate_caches()
