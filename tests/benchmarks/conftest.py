"""The load generator, compiled once for all files."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.load import Load

SOURCES = Path(__file__).parents[2] / "benchmarks" / "load"


@pytest.fixture(scope="session")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    if not shutil.which("make") or not shutil.which("cc"):
        pytest.skip("install gcc and make")
    binary = tmp_path_factory.mktemp("load") / "load"
    subprocess.run(["make", "-C", SOURCES, f"OUTPUT={binary}"], check=True, stdout=subprocess.DEVNULL)
    return Load(binary)
