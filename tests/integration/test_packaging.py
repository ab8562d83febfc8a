"""A stranger's machine: wheels of the core and of a plugin, a fresh environment, and the plugin answers."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.tags import Tag, sys_tags
from packaging.utils import parse_wheel_filename

ROOT = Path(__file__).parent.parent.parent
HELLO = ROOT / "examples" / "hello_plugin"
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
WHEEL = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
LIBRARIES = {
    f"msanic_core__mypyc{SUFFIX}",
    *(file.replace(".py", SUFFIX) for file in WHEEL["hooks"]["custom"]["compile"]),
}
PURE = {Tag("py3", "none", "any")}
BUILD = (sys.executable, "-m", "build")
SMALL = "msanic_core/wire/frame.py"
NO_COMPILER = "/nonexistent/compiler"
COMPILER = (os.environ.get("CC") or sysconfig.get_config_var("CC")).split()[0]
CAN_COMPILE = shutil.which(COMPILER) is not None and Path(sysconfig.get_path("include"), "Python.h").exists()

pytestmark = pytest.mark.timeout(600)
needs_compiler = pytest.mark.skipif(not CAN_COMPILE, reason="install gcc and Python's headers: run `make services`")


def attempt(*command: str | Path, cwd: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run a command away from the checkout, so that only what is installed counts, with some environment variables."""
    hidden = ("PYTHONPATH", "VIRTUAL_ENV", "MSANIC_CORE_COMPILE")
    environ = {name: value for name, value in os.environ.items() if name not in hidden} | variables
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=cwd, env=environ, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    ) as process:
        try:
            stdout, stderr = process.communicate()
        except BaseException:
            # With the compilers and installers that it has started.
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    """Run a command that must succeed."""
    result = attempt(*command, cwd=cwd, **variables)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def built(directory: Path) -> tuple[set[Tag], set[str]]:
    """The tags of the one wheel of the core in a directory, and the names of the files in it."""
    (wheel,) = directory.glob("msanic_core-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(parse_wheel_filename(wheel.name)[3]), set(archive.namelist())


def libraries(names: set[str]) -> set[str]:
    return {name for name in names if name.endswith(".so")}


def source_files() -> set[Path]:
    found = {*ROOT.iterdir(), *(ROOT / "build").glob("*"), *(ROOT / "msanic_core").rglob("*")}
    return {path for path in found if "__pycache__" not in path.parts}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with wheels of the core and of the plugin; the former is built with what its metadata asks for."""
    directory = tmp_path_factory.mktemp("wheels")
    before = source_files()
    pins = (ROOT / "constraints.txt").as_uri()
    run(*BUILD, "--wheel", "--outdir", directory, ROOT, cwd=directory, PIP_CONSTRAINT=pins, PIP_BUILD_CONSTRAINT=pins)
    assert source_files() == before
    run(*BUILD, "--wheel", "--no-isolation", "--outdir", directory, HELLO, cwd=directory)
    return directory


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, unpacked."""
    directory = tmp_path_factory.mktemp("source")
    run(*BUILD, "--sdist", "--no-isolation", "--outdir", directory, ROOT, cwd=directory)
    (archive,) = directory.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(directory, filter="data")
    return directory / archive.name.removesuffix(".tar.gz")


@pytest.fixture(scope="module")
def small_source(source: Path) -> Path:
    """The source distribution with one module to compile: a compiler fails on it sooner, and for the same reason."""
    directory = source.with_name("small")
    shutil.copytree(source, directory)
    project = directory / "pyproject.toml"
    text, count = re.subn(r"^compile = \[.*?\]", f'compile = ["{SMALL}"]', project.read_text(), flags=re.M | re.S)
    assert count == 1
    project.write_text(text)
    # Whatever they import is read by the compiler too, nearly everything.
    for package in Path(SMALL).parents[:-1]:
        (directory / package / "__init__.py").write_text("")
    return directory


@needs_compiler
def test_a_wheel_has_the_message_path_compiled_and_its_sources(wheels: Path) -> None:
    tags, names = built(wheels)
    assert tags < set(sys_tags()) - PURE
    assert libraries(names) == LIBRARIES
    assert {str(path.relative_to(ROOT)) for path in (ROOT / "msanic_core").rglob("*.py")} < names


def test_a_third_party_plugin_installed_with_pip_is_listed_and_answers(wheels: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    run(sys.executable, "-m", "venv", environment, cwd=tmp_path)
    pip: list[str | Path] = [environment / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
    run(*pip, "-c", ROOT / "constraints.txt", *wheels.glob("*.whl"), cwd=tmp_path)
    command = environment / "bin" / "msanic-core"
    message_path = "compiled" if CAN_COMPILE else "pure Python"
    assert f"message path: {message_path}\n" in run(command, "version", cwd=tmp_path)

    (listed,) = json.loads(run(command, "plugins", "--json", cwd=tmp_path))["plugins"]
    assert (listed["name"], listed["package"], listed["state"]) == ("hello", "msanic-hello", "active")
    assert listed["commands"] == ["hello.greet"]
    assert set(listed["hooks"]) == {"ws_command", "ws_offline"}

    arguments: list[str | Path] = [command, "serve", "--auth", "anonymous", "--port", "0"]
    with subprocess.Popen(arguments, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            match = None
            for line in server.stderr:
                if match := re.search(r"ws://127\.0\.0\.1:\d+/ws", line):
                    break
            assert match is not None
            answer = run(command, "call", "hello.greet", '{"name":"Ada"}', "--url", match[0], cwd=tmp_path)
            assert json.loads(answer)["data"] == {"text": "Hello, Ada!"}
            server.terminate()
            server.communicate()
        finally:
            server.kill()
    assert server.returncode == 0


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"CC": NO_COMPILER}, f"only slower: the C compiler {NO_COMPILER} is not installed\n"),
        pytest.param({"CC": "false"}, "only slower: .*CompileError: .*false", marks=needs_compiler),
        ({"MSANIC_CORE_COMPILE": "0"}, ""),
    ],
    ids=["no compiler", "a compiler that fails", "not wanted"],
)
def test_what_cannot_be_compiled_or_must_not_be_is_pure_python(
    small_source: Path, tmp_path: Path, variables: dict[str, str], reason: str
) -> None:
    result = attempt(*BUILD, "--wheel", "--no-isolation", "--outdir", tmp_path, small_source, cwd=tmp_path, **variables)
    assert result.returncode == 0
    said = [line for line in result.stderr.splitlines(keepends=True) if "msanic-core" in line]
    assert len(said) == bool(reason)
    assert re.search(reason, "".join(said))
    tags, names = built(tmp_path)
    assert tags == PURE
    assert libraries(names) == set()
    assert names > {file.replace(SUFFIX, ".py") for file in LIBRARIES if "/" in file}


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"MSANIC_CORE_COMPILE": "1", "CC": NO_COMPILER}, f"it must: the C compiler {NO_COMPILER} is not installed\n"),
        pytest.param(
            {"MSANIC_CORE_COMPILE": "1", "CC": "false"}, "it must: .*CompileError: .*false", marks=needs_compiler
        ),
        ({"MSANIC_CORE_COMPILE": "yes"}, "MSANIC_CORE_COMPILE must be 0 or 1 or not be set, not 'yes'\n"),
    ],
    ids=["no compiler", "a compiler that fails", "neither 0 nor 1"],
)
def test_a_build_fails_that_cannot_do_what_it_must(
    small_source: Path, tmp_path: Path, variables: dict[str, str], reason: str
) -> None:
    result = attempt(*BUILD, "--wheel", "--no-isolation", "--outdir", tmp_path, small_source, cwd=tmp_path, **variables)
    assert result.returncode != 0
    assert re.search(reason, result.stderr)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "variables", "compiles"),
    [
        pytest.param("wheel", {}, True, marks=needs_compiler),
        ("wheel", {"CC": NO_COMPILER}, False),
        ("wheel", {"MSANIC_CORE_COMPILE": "0"}, False),
        ("editable", {"MSANIC_CORE_COMPILE": "0"}, False),
        pytest.param("editable", {"MSANIC_CORE_COMPILE": "1"}, True, marks=needs_compiler),
        ("sdist", {}, False),
    ],
)
def test_a_compiler_is_asked_for_where_one_will_be_used(kind: str, variables: dict[str, str], compiles: bool) -> None:
    code = f"from hatchling.build import get_requires_for_build_{kind} as needs; print(*needs(), sep='\\n')"
    asked = run(sys.executable, "-c", code, cwd=ROOT, **variables).split()
    assert any(name.startswith("mypy[mypyc]") for name in asked) == compiles
    # What the types are of that the compiled modules use.
    assert any(name.startswith("msgspec") for name in asked) == compiles


def test_an_editable_installation_removes_what_would_hide_its_sources(source: Path, tmp_path: Path) -> None:
    left = [source / name for name in LIBRARIES]
    for path in left:
        path.touch()
    code = "import sys; from hatchling.build import build_editable; build_editable(sys.argv[1])"
    run(sys.executable, "-c", code, tmp_path, cwd=source)
    assert [path for path in left if path.exists()] == []
