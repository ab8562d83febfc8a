"""Show the versions of msanic-core and of what it stands on."""

import argparse
import platform

SUMMARY = "show versions"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing: this verb has no flags."""


def run(arguments: argparse.Namespace) -> int:  # noqa: ARG001 - every verb is called alike
    """Print one line for each."""
    print(f"msanic-core {_installed('msanic-core')}")
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
