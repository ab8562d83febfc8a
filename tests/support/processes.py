"""Programs that a test starts. They end with the test, also if it fails."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from msanic_core.testing import child


@asynccontextmanager
async def program(
    *command: str | Path,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: int | None = None,
    stderr: int | None = subprocess.PIPE,
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a program until the block ends, with a pipe for what it prints. `environ`: variables beside those of here."""
    process = await asyncio.create_subprocess_exec(
        *command, env={**os.environ, **(environ or {})}, cwd=cwd, stdin=stdin, stdout=subprocess.PIPE, stderr=stderr
    )
    try:
        yield process
    finally:
        await child.kill(process)
