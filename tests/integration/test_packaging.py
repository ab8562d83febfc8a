"""A stranger's machine: wheels of the core and of a plugin, a fresh environment, and the plugin answers."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
HELLO = ROOT / "examples" / "hello_plugin"


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command that must succeed, away from the checkout so that only what is installed counts."""
    environ = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    result = subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.timeout(600)
def test_a_third_party_plugin_installed_with_pip_is_listed_and_answers(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    for source in (ROOT, HELLO):
        run(sys.executable, "-m", "build", "--wheel", "--outdir", wheels, source, cwd=tmp_path)
    environment = tmp_path / "environment"
    run(sys.executable, "-m", "venv", environment, cwd=tmp_path)
    pip: list[str | Path] = [environment / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
    run(*pip, "-c", ROOT / "constraints.txt", *wheels.glob("*.whl"), cwd=tmp_path)
    command = environment / "bin" / "msanic-core"

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
        finally:
            server.terminate()
            server.communicate()
    assert server.returncode == 0
