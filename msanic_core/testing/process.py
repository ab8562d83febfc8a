"""A server in its own process, as users run it, for tests from the outside."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from msanic_core.testing import child

_ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)/")
_START_TIMEOUT = 30.0
_LOG_TIMEOUT = 30.0


class ServerProcess:
    """A running `msanic-core serve`. `log`: the lines that it and its workers have written so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._written = asyncio.Condition()
        self._ended = False
        self.log: list[str] = []
        self.port = 0

    @property
    def pid(self) -> int:
        """The process id; with several workers, that of the supervisor."""
        return self._process.pid

    @property
    def url(self) -> str:
        """The HTTP address of the server."""
        return f"http://127.0.0.1:{self.port}"

    def websocket_url(self, query: str = "") -> str:
        """The address of the WebSocket."""
        return f"ws://127.0.0.1:{self.port}/ws" + (f"?{query}" if query else "")

    def freeze(self) -> None:
        """Stop the process (SIGSTOP): its connections stay open and nothing answers."""
        child.freeze(self._process)

    def thaw(self) -> None:
        """Let the process continue after `freeze`."""
        child.thaw(self._process)

    async def kill(self) -> None:
        """Kill the process (SIGKILL), if it runs. Returns when it has ended."""
        await child.kill(self._process)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    async def exit_code(self) -> int:
        """Wait for the end of the process. A negative code is the signal that killed it."""
        return await self._process.wait()

    async def logged(self, pattern: str, start: int = 0) -> re.Match[str]:
        """Wait for a line that matches the regular expression, from line `start` of the log on.

        Raises `TimeoutError` after 30 s, and `EOFError` if the process ends without it. Both show the log.
        """

        def found() -> re.Match[str] | bool:
            matches = (re.search(pattern, line) for line in self.log[start:])
            return next((match for match in matches if match), self._ended)

        async with self._written:
            try:
                match = await asyncio.wait_for(self._written.wait_for(found), _LOG_TIMEOUT)
            except TimeoutError:
                raise TimeoutError(f"nobody has written {pattern!r}:\n" + "\n".join(self.log)) from None
        if not isinstance(match, re.Match):
            raise EOFError(f"nobody has written {pattern!r}:\n" + "\n".join(self.log))
        return match

    async def read_log(self, ready: asyncio.Event) -> None:
        """Collect the lines that the process writes, until it ends."""
        stderr = self._process.stderr
        assert stderr is not None, "started with a pipe"
        while line := (await stderr.readline()).decode():
            async with self._written:
                self.log.append(line.rstrip("\n"))
                self._written.notify_all()
            if not self.port and (match := _ADDRESS.search(line)):
                self.port = int(match[1])
                ready.set()
        ready.set()
        async with self._written:
            self._ended = True
            self._written.notify_all()


@asynccontextmanager
async def serve_process(
    python_path: Path,
    settings: Mapping[str, Any],
    environ: Mapping[str, str] | None = None,
    *,
    config: Path | None = None,
) -> AsyncIterator[ServerProcess]:
    """Run `serve` on a free port. It also finds plugins in `python_path`.

    `settings`: dotted keys, as for `--set`. `config`: a settings file. Unless the settings differ, the login is
    anonymous, the database is in memory and migrations are applied. Raises `RuntimeError` with the log if the server
    does not start. If the process still runs at the end of the block, it is killed. Its workers then stop by
    themselves, and the block waits for them.
    """
    flags = {"server.port": 0, "auth.mode": "anonymous", "db.url": "sqlite://:memory:", "db.migrate": True, **settings}
    pairs = [f"{key}={msgspec.json.encode(value).decode()}" for key, value in flags.items()]
    arguments = [part for pair in pairs for part in ("--set", pair)]
    if config is not None:
        arguments += ["--config", str(config)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "msanic_core", "serve", *arguments,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(python_path), **(environ or {})},
    )  # fmt: skip
    server = ServerProcess(process)
    ready = asyncio.Event()
    reader = asyncio.create_task(server.read_log(ready))
    try:
        await asyncio.wait_for(ready.wait(), _START_TIMEOUT)
        if not server.port:
            await process.wait()
            raise RuntimeError("the server did not start:\n" + "\n".join(server.log))
        yield server
    finally:
        await child.kill(process)
        await reader


def install_plugin(directory: Path, name: str, source: str, version: str = "1.0") -> None:
    """Install a plugin into `directory`: a module, and the metadata that pip would write."""
    package = f"msanic_{name}"
    (directory / f"{package}.py").write_text(source)
    metadata = directory / f"{package}-{version}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: msanic-{name}\nVersion: {version}\n")
    (metadata / "entry_points.txt").write_text(f"[msanic_core]\n{name} = {package}\n")
