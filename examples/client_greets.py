"""A program that calls a command of the plugin in examples/hello_plugin, and reads the pushes of the server."""

import asyncio
import sys

import msgspec

from msanic_core.client import Client, ReplyError


class Greeting(msgspec.Struct):
    text: str


async def main(url: str, name: str) -> None:
    async with Client(url, user="ada") as client:
        try:
            greeting = await client.call("hello.greet", {"name": name}, type=Greeting)
        except ReplyError as error:
            print("refused:", error.code, error.hint)
            return
        print(greeting.text)
        async for push in client.pushes():
            print(push.cmd, push.data)
            if push.cmd == "hello.greeted":
                break


if __name__ == "__main__":
    asyncio.run(main("ws://127.0.0.1:8800/ws", sys.argv[1]))
