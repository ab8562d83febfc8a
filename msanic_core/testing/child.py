"""What a test does to a process it has started: to freeze it, to thaw it, to kill it."""

import asyncio
import os
import signal


def freeze(process: asyncio.subprocess.Process) -> None:
    """Stop a process as it stands, with its sockets open; it has stopped when this returns."""
    process.send_signal(signal.SIGSTOP)
    # The signal takes effect a little later. WEXITED: one that died meanwhile will not stop. WNOWAIT: its end stays to
    # be seen by asyncio.
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)


def thaw(process: asyncio.subprocess.Process) -> None:
    """Let a frozen process go on."""
    process.send_signal(signal.SIGCONT)


async def kill(process: asyncio.subprocess.Process) -> None:
    """End a process by SIGKILL, be it frozen or dead already, and wait until it is gone."""
    if process.returncode is None:
        process.kill()
    await process.wait()
