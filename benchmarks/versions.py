"""What a run was made on and with: machine, system, and the version of every program and package measured."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.environments import NODE_MODULES, ROOT, Environments

_PACKAGES = {
    "core": ("msanic-core", "sanic", "picows", "uvloop", "msgspec", "msgpack", "pluggy"),
    "peers": (
        *("sanic", "picows", "uvloop", "starlette", "uvicorn", "httptools", "websockets", "socketify"),
        *("python-socketio", "python-engineio", "channels", "daphne", "Django", "Twisted"),
    ),
    "msanic": ("msanic", "sanic", "websockets", "uvloop", "tortoise-orm", "redis"),
}
_ASK_PACKAGES = """
import platform, sys
from importlib.metadata import PackageNotFoundError, version
print("Python", platform.python_version())
for name in sys.argv[1:]:
    try:
        print(name, version(name))
    except PackageNotFoundError:
        pass
"""


def machine() -> dict[str, str]:
    """Describe the machine and its system."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "CPU": _processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{memory / 2**30:.1f} GiB",
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "system": _system(),
    }


def versions(environments: Environments) -> dict[str, list[str]]:
    """Give the versions in each environment; what does not run is left out."""
    pythons = {
        "core": environments.core_python,
        "peers": environments.peers_python,
        "msanic": environments.msanic_python,
    }
    found = {name: _packages(python, _PACKAGES[name]) for name, python in pythons.items()}
    found["core"] += _message_path(environments.core_python)
    found["JavaScript"] = [
        *_first_line("Node", environments.node, "--version"),
        *_node_package("ws"),
        *_first_line("Bun", environments.bun, "--version"),
    ]
    found["programs"] = [
        *_revision(),
        *(line.partition(" sha=")[0] for line in _first_line("", environments.redis_server, "--version")),
        *_first_line(
            "benchmarks run by Python", Path(sys.executable), "-c", "import platform as p; print(p.python_version())"
        ),
    ]
    return {name: texts for name, texts in found.items() if texts}


def _packages(python: Path | None, names: Sequence[str]) -> list[str]:
    return _output(python, "-c", _ASK_PACKAGES, *names).splitlines()


def _message_path(python: Path) -> list[str]:
    """Say what the installed core is; Python itself would find the one in the working directory."""
    lines = _output(python.parent / "msanic-core", "version").splitlines()
    return [line.replace(":", "") for line in lines if line.startswith("message path")]


def _node_package(name: str) -> list[str]:
    package = NODE_MODULES / name / "package.json"
    return [f"{name} {json.loads(package.read_text())['version']}"] if package.exists() else []


def _revision() -> list[str]:
    return _first_line("msanic-core at commit", Path("git"), "-C", str(ROOT), "rev-parse", "--short", "HEAD")


def _first_line(title: str, program: Path | None, *arguments: str) -> list[str]:
    return [f"{title} {line}".strip() for line in _output(program, *arguments).splitlines()[:1]]


def _output(program: Path | None, *arguments: str) -> str:
    """Give what a program prints, nothing where there is none or where it fails."""
    if program is None:
        return ""
    try:
        result = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, check=False)
    except OSError:
        return ""
    return result.stdout if result.returncode == 0 else ""


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return "unknown"
