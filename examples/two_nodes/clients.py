"""Two users on two nodes: ada sends bob a message, then bob waits for the message that ada has left."""

import asyncio
import sys

from msanic_core.client import Client


async def main(adas_node: str, bobs_node: str) -> None:
    async with Client(bobs_node, user="bob") as bob:
        async with Client(adas_node, user="ada") as ada:
            await ada.call("relay.tell", {"user": "bob", "text": "are you there?"})
            async for push in bob.pushes():
                if push.cmd == "relay.told":
                    print(f"bob was told by {push.data['from']}, who is on {push.data['at']}: {push.data['text']}")
                    break
            if "--wait" in sys.argv:
                print("now kill -9 the node that ada is on", flush=True)
                await wait_for_the_end_of(bob)
                return
        await wait_for_the_end_of(bob)


async def wait_for_the_end_of(bob: Client) -> None:
    async for push in bob.pushes():
        if push.cmd == "relay.left":
            print(f"{push.data['user']} has left ({push.data['reason']}), says {push.data['said by']}")
            break


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
