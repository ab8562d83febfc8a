"""redis-py by itself, the other half: receives what `redis_publisher.py` publishes, and asks for the next.

Takes the place of the load generator: it prints `ready`, `begin`, `end` and a result as that does, and measures what
that measures, the time from asking for a message to having it.
"""

import argparse
import asyncio
import json
import sys
import time

import uvloop
from command_line import HOST
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis_publisher import CHANNEL, NEWS


class Receiver:
    """Counts messages and their latencies. `publisher`: what gets a byte for each message that is to come."""

    def __init__(self, pubsub: PubSub, publisher: asyncio.StreamWriter) -> None:
        self._messages = pubsub.listen()
        self._publisher = publisher
        self._asked = 0
        self._asked_at: dict[bytes, int] = {}
        self.latencies: list[int] = []

    def ask(self, count: int) -> None:
        """Have so many more published."""
        now = time.monotonic_ns()
        for number in range(self._asked, self._asked + count):
            self._asked_at[NEWS % number] = now
        self._asked += count
        self._publisher.write(b"." * count)

    async def receive(self) -> None:
        """Wait for a message. Ends the program when it is none of those that are due."""
        message = (await anext(self._messages))["data"]
        # Those of different connections may have overtaken one another.
        asked_at = self._asked_at.pop(message, None)
        if asked_at is None:
            sys.exit(f"wrong message: {message!r}")
        self.latencies.append(time.monotonic_ns() - asked_at)

    async def receive_for(self, seconds: float) -> float:
        """Have as many in flight as before for a time; returns how long it was, in seconds."""
        self.latencies.clear()
        begun = time.monotonic()
        while (now := time.monotonic()) < begun + seconds:
            await self.receive()
            self.ask(1)
        return now - begun


async def main() -> None:
    """Measure once."""
    options = command_line()
    redis = Redis(host=HOST, port=options.redis_port)
    pubsub = redis.pubsub(ignore_subscribe_messages=True)
    await pubsub.subscribe(CHANNEL)
    _, publisher = await asyncio.open_connection(HOST, options.port)
    receiver = Receiver(pubsub, publisher)
    say("ready")
    receiver.ask(options.depth)
    await receiver.receive_for(options.warmup)
    say("begin")
    seconds = await receiver.receive_for(options.seconds)
    say("end")
    latencies = sorted(receiver.latencies)
    count = len(latencies)
    result = {
        "mode": "publish",
        "answers": count,
        "seconds": seconds,
        "rate": count / seconds,
        "p50_us": latencies[count // 2] / 1e3,
        "p99_us": latencies[count * 99 // 100] / 1e3,
    }
    say(json.dumps(result))


def say(line: str) -> None:
    """Print a line that is there when this returns."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def command_line() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name in ("--port", "--redis-port", "--depth"):
        parser.add_argument(name, type=int, required=True)
    for name in ("--seconds", "--warmup"):
        parser.add_argument(name, type=float, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    uvloop.run(main())
