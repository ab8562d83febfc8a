"""A program that stores its position: it continues where it stopped, even after a crash."""

import asyncio
import sqlite3
from contextlib import closing

from msanic_core.client import Client, Position


async def main(url: str, path: str, count: int) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE IF NOT EXISTS note (epoch TEXT, id INTEGER, text TEXT)")
        last = db.execute("SELECT epoch, id FROM note ORDER BY rowid DESC LIMIT 1").fetchone()
        async with Client(url, user="ada", client_id="notes", resume=Position(*last) if last else None) as client:
            async for push in client.pushes():
                if push.position is None or push.cmd != "notify.message":
                    continue
                # One transaction stores the result of the message and its position: both or neither.
                with db:
                    row = (push.position.epoch, push.position.id, push.data["text"])
                    db.execute("INSERT INTO note VALUES (?, ?, ?)", row)
                count -= 1
                if count == 0:
                    break


if __name__ == "__main__":
    asyncio.run(main("ws://127.0.0.1:8800/ws", "notes.db", 10))
