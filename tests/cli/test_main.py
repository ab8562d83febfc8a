import json
import subprocess
import sys
from importlib import import_module

import pytest

from msanic_core.cli import VERBS, main

HEAVY = {
    "aiofastnet", "msgpack", "msgspec", "packaging", "pluggy", "redis", "sanic", "tortoise", "uvloop", "websockets"
}  # fmt: skip
"""Packages that are not loaded for a help text or for versions."""

REPORT = """
import json, sys
from msanic_core.cli import main
code = main(sys.argv[1:])
print(json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "argv", [["--help"], *([verb, "--help"] for verb in VERBS), ["serve", "--nonsense"], ["version"]]
)
def test_help_usage_errors_and_versions_load_no_heavy_package(argv: list[str]) -> None:
    run = subprocess.run([sys.executable, "-c", REPORT, *argv], capture_output=True, text=True, check=True)
    code, modules = json.loads(run.stderr.splitlines()[-1])
    assert code == (2 if "--nonsense" in argv else 0)
    assert HEAVY.isdisjoint(modules)
    assert "argparse" in modules


def test_module_is_the_command() -> None:
    run = subprocess.run([sys.executable, "-m", "msanic_core", "nonsense"], capture_output=True, text=True)
    assert run.returncode == 2
    assert run.stdout == ""
    assert run.stderr.startswith("usage: msanic-core ")


def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    help_ = capsys.readouterr().out
    for verb in VERBS:
        assert f"{verb} " in help_
        assert import_module(f"msanic_core.cli.{verb}").SUMMARY in help_


def test_no_verb_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "a verb is needed: serve, plugins, commands, config, call, db, version" in capsys.readouterr().err


def test_flags_are_not_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--conf", "x"]) == 2
    assert "--conf" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["serve", "plugins", "commands", "config", "call x"])
def test_a_wrong_setting_is_one_line_and_exit_code_2(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*verb.split(), "--port", "many"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "msanic-core: error: server.port = 'many' (flag --port): expected an integer from 0 to 65535\n"
    )
