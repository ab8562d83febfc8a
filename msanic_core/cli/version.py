"""Show the versions of msanic-core and of its main dependencies."""

import argparse
import platform

SUMMARY = "show versions"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing: this verb has no flags."""


def run(arguments: argparse.Namespace) -> int:  # noqa: ARG001 - every verb is called alike
    """Print one line per version."""
    print(f"msanic-core {_installed('msanic-core')}")
    print(f"message path: {_message_path()}")
    print(f"Python {platform.python_version()}")
    for package in ("sanic", "aiofastnet", "pluggy"):
        print(f"{package} {_installed(package)}")
    return 0


def _installed(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"


def _message_path() -> str:
    """Say whether the message path is compiled. Its modules are compiled all together or not at all, so check one."""
    from importlib.machinery import ExtensionFileLoader, PathFinder

    import msanic_core

    # Do not import the module or its package: that takes longer than everything else here.
    spec = PathFinder.find_spec("msanic_core.wire.reader", [f"{path}/wire" for path in msanic_core.__path__])
    return "compiled" if spec is not None and isinstance(spec.loader, ExtensionFileLoader) else "pure Python"
