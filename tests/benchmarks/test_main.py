"""The command line, as far as nothing is measured."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import __main__ as program
from benchmarks import startup
from benchmarks.scenarios import FULL, measurements

ROOT = Path(__file__).parents[2]


def test_an_unknown_scenario_or_target_is_an_error_that_names_the_known_ones(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for option, known in (("--only", "broadcast"), ("--targets", "picows"), ("--rounds", "positive")):
        monkeypatch.setattr(sys, "argv", ["benchmarks", option, "0"])
        with pytest.raises(SystemExit) as ended:
            program.main()
        assert ended.value.code == 2
        assert known in capsys.readouterr().err


def test_a_machine_with_one_core_is_an_error_that_says_so() -> None:
    core = min(os.sched_getaffinity(0))
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick"],
        cwd=ROOT,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == ("error: this machine offers one core: the server and the load generator need one each\n")


def test_the_readme_lists_the_scenarios() -> None:
    documented = re.findall(r"^\| `(\w+)` \|", (ROOT / "benchmarks" / "README.md").read_text(), re.MULTILINE)
    assert documented == [*dict.fromkeys(each.scenario for each in measurements(FULL)), startup.NAME]
