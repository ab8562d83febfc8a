"""Small real programs for tests of the benchmarks: servers and what else is started there."""

import os
import sys
from pathlib import Path

from benchmarks.environments import Environments
from benchmarks.loads import Cores
from benchmarks.targets import Process

CORE = min(os.sched_getaffinity(0))
CORES = Cores(server=CORE, load=max(os.sched_getaffinity(0)))

LISTENS = """
import socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
"""

ECHOES = """
import asyncio, sys
from websockets.asyncio.server import serve

async def echo(socket):
    async for message in socket:
        await socket.send(message)

async def main():
    async with serve(echo, "127.0.0.1", int(sys.argv[1]), compression=None) as server:
        await server.serve_forever()

asyncio.run(main())
"""

FALSIFIES = ECHOES.replace("socket.send(message)", "socket.send(message.replace('1', '2'))")


def python(source: str, *arguments: object) -> Process:
    """A program in Python."""
    return Process((sys.executable, "-c", source, *(str(argument) for argument in arguments)))


def environments(load: Path = Path("load")) -> Environments:
    """An environment in which `python` is this Python for all programs."""
    here = Path(sys.executable)
    return Environments(
        core_python=here,
        core_ten_python=here,
        peers_python=here,
        msanic_python=None,
        node=None,
        bun=None,
        load=load,
        redis_server=None,
        missing=[],
    )
