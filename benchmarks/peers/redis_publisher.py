"""redis-py by itself, one half: publishes a message for each byte that its one client sends. See `redis_subscriber.py`.

As redis-py's guide shows it: `publish`, on a connection from the pool; as many at a time as are in flight.
"""

import asyncio
import itertools

import uvloop
from command_line import HOST, arguments
from redis.asyncio import Redis

CHANNEL = "bench"
NEWS = b'{"cmd":"bench.news","data":{"text":"hello %08d"},"code":0,"hint":""}'


async def main() -> None:
    """Serve until this process is ended."""
    options = arguments("--redis-port")
    redis = Redis(host=HOST, port=options.redis_port)
    # Connected before anything is measured.
    await redis.ping()
    numbers = itertools.count()
    under_way: set[asyncio.Task[None]] = set()

    async def publish() -> None:
        await redis.publish(CHANNEL, NEWS % next(numbers))

    async def attend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while asked := await reader.read(65_536):
            for _ in asked:
                task = asyncio.create_task(publish())
                under_way.add(task)
                task.add_done_callback(under_way.discard)
        writer.close()

    server = await asyncio.start_server(attend, HOST, options.port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
