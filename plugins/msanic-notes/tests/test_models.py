"""The migrations make what the models say, and can be taken back."""

import os
import re
import subprocess
import sys
from pathlib import Path


def db(*arguments: str, url: str, directory: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "msanic_core", "db", *arguments, "--db", url, "--set", 'plugins.load=["notes"]']
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, env=dict(os.environ))


def test_migrations_are_those_of_the_models(database_url: str, tmp_path: Path) -> None:
    applied = db("migrate", url=database_url, directory=tmp_path)
    assert applied.returncode == 0, applied.stderr
    status = db("status", url=database_url, directory=tmp_path)
    assert (status.returncode, re.findall(r"notes +(\d+)\w+ +(\w+)", status.stdout)) == (0, [("0001", "applied")])
    back = db("downgrade", "notes", "zero", url=database_url, directory=tmp_path)
    assert (back.returncode, back.stdout) == (0, "1 migration taken back.\n"), back.stderr
    again = db("migrate", url=database_url, directory=tmp_path)
    assert (again.returncode, again.stdout) == (0, "1 migration applied.\n"), again.stderr
