"""Compiles the message path while a wheel is built: mypyc makes extension modules of .py files.

The files are listed in pyproject.toml. Without a C compiler they are installed as pure Python, which works the same but
is slower. The environment variable MSANIC_CORE_COMPILE changes that: 1: fail if they cannot be compiled; 0: do not
compile.
"""

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import textwrap
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

COMPILER = "mypy[mypyc]>=2.4,<3"
SWITCH = "MSANIC_CORE_COMPILE"


class CompileHook(BuildHookInterface[Any]):
    """Puts extension modules into a wheel; for an editable installation, if required, beside the sources."""

    def dependencies(self) -> list[str]:
        """Return the packages for compiling, if it will be tried.

        Includes the run-time dependencies: the compiled code must not depend on whose types mypyc happens to find.
        """
        # hatchling does not say whether the installation is editable; that one gets the packages too, without using
        # them.
        if not self._is_wanted(editable=False) or _why_not_here():
            return []
        return [COMPILER, *self.metadata.core.dependencies]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and add the extension modules to the wheel or to the source tree."""
        self._temporary = TemporaryDirectory(prefix="msanic-core-")
        editable = version == "editable"
        if editable:
            # Old extension modules would be imported instead of the edited .py files.
            self.clean([version])
        if not self._is_wanted(editable):
            return
        libraries = Path(self._temporary.name, "libraries")
        if problem := _why_not_here() or self._compile(libraries):
            if os.environ.get(SWITCH) == "1":
                self.app.abort(f"msanic-core cannot be compiled, and {SWITCH}=1 says that it must: {problem}")
            self.app.display_warning(f"msanic-core is not compiled; pure Python works the same, only slower: {problem}")
        elif editable:
            shutil.copytree(libraries, self.root, dirs_exist_ok=True)
        else:
            found = [path for path in libraries.rglob("*") if path.is_file()]
            build_data["force_include"].update({str(path): str(path.relative_to(libraries)) for path in found})
            build_data.update(pure_python=False, infer_tag=True)

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Remove the temporary files: the wheel has them now."""
        self._temporary.cleanup()

    def clean(self, versions: list[str]) -> None:  # noqa: ARG002
        """Remove the extension modules of an earlier editable installation."""
        for pattern in ("msanic_core__mypyc.*.so", "msanic_core/**/*.so"):
            for library in Path(self.root).glob(pattern):
                library.unlink()

    def _is_wanted(self, editable: bool) -> bool:
        switch = os.environ.get(SWITCH)
        if switch not in (None, "0", "1"):
            self.app.abort(f"{SWITCH} must be 0 or 1 or not be set, not {switch!r}")
        return not editable if switch is None else switch == "1"

    def _compile(self, libraries: Path) -> str:
        """Compile in a separate process, because setuptools and mypyc print and exit. Returns the error, or ""."""
        command = [sys.executable, __file__, str(libraries), *self.config["compile"]]
        result = subprocess.run(
            command, cwd=self.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if result.returncode == 0:
            return ""
        if os.environ.get(SWITCH) == "1":
            self.app.display_error(result.stdout)
        lines = [line for line in result.stdout.splitlines() if line.strip()] or [f"exit code {result.returncode}"]
        return textwrap.shorten(next((line for line in lines if "error: " in line), lines[-1]), 200)


def _why_not_here() -> str:
    """Return what is missing for compiling, or "". Called before anything is downloaded."""
    if sys.implementation.name != "cpython":
        return f"mypyc compiles for CPython, and this is {sys.implementation.name}"
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")[0]
    if shutil.which(compiler) is None:
        return f"the C compiler {compiler} is not installed"
    header = Path(sysconfig.get_path("include"), "Python.h")
    return "" if header.exists() else f"{header} is not installed (Debian, Ubuntu: python3-dev)"


def main(libraries: str, *modules: str) -> None:
    """Compile modules, all in one group, into a directory with the layout of site-packages."""
    from mypyc.build import mypycify
    from setuptools import Distribution

    with TemporaryDirectory(prefix="msanic-core-") as temporary:
        # Do not check types here: other versions of the dependencies could have other types.
        options = ["--config-file=", f"--cache-dir={os.devnull}", "--follow-imports=silent", "--ignore-missing-imports"]
        extensions = mypycify([*options, *modules], opt_level="3", target_dir=temporary, group_name="msanic_core")
        build = Distribution({"ext_modules": extensions}).get_command_obj("build_ext")
        build.build_lib, build.build_temp = libraries, temporary
        build.ensure_finalized()
        build.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
