"""Every package that is published carries the licence."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
LICENCE = (ROOT / "LICENSE").read_bytes()
PACKAGES = [ROOT, *sorted(ROOT.glob("plugins/*"))]

pytestmark = pytest.mark.timeout(600)


def build(package: Path, kind: str, directory: Path) -> Path:
    """Build a wheel, not compiled, or a source distribution."""
    environ = {**os.environ, "MSANIC_CORE_COMPILE": "0"}
    command = [sys.executable, "-m", "build", f"--{kind}", "--no-isolation", "--outdir", str(directory), str(package)]
    subprocess.run(command, cwd=directory, env=environ, check=True, capture_output=True)
    (built,) = directory.iterdir()
    return built


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_a_wheel_has_the_licence(package: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(build(package, "wheel", tmp_path)) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        assert archive.read(metadata.replace("METADATA", "licenses/LICENSE")) == LICENCE
        lines = archive.read(metadata).decode().split("\n\n")[0].splitlines()
    assert {"License-Expression: MIT", "License-File: LICENSE"} <= set(lines)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_a_source_distribution_has_the_licence(package: Path, tmp_path: Path) -> None:
    archive = build(package, "sdist", tmp_path)
    with tarfile.open(archive) as opened:
        found = opened.extractfile(f"{archive.name.removesuffix('.tar.gz')}/LICENSE")
        assert found is not None
        assert found.read() == LICENCE
