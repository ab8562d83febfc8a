"""Freeze, thaw and kill a process that a test has started."""

import asyncio
import os
import signal


def freeze(process: asyncio.subprocess.Process) -> None:
    """Stop a process (SIGSTOP); its sockets stay open. It has stopped when this returns."""
    process.send_signal(signal.SIGSTOP)
    # The signal takes effect a little later. WEXITED: a process that has died never stops. WNOWAIT: asyncio can still
    # wait for its end.
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)


def thaw(process: asyncio.subprocess.Process) -> None:
    """Let a frozen process continue (SIGCONT)."""
    process.send_signal(signal.SIGCONT)


async def kill(process: asyncio.subprocess.Process) -> None:
    """Kill a process (SIGKILL), even a frozen or dead one, and wait until it has ended."""
    if process.returncode is None:
        process.kill()
    await process.wait()
