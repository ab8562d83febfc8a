"""Pushes of transactions whose process is killed between the commit and the delivery, or in the middle of it."""

import asyncio
from pathlib import Path

from msanic_core.client import Client
from msanic_core.db.outbox.relay import LOCK
from msanic_core.engine.base import InboxLimits
from msanic_core.engine.redis.redis_engine import RedisEngine, RedisOptions
from msanic_core.testing import install_plugin, redis_process, serve_nodes
from tests.faults.outage import SETTINGS
from tests.faults.sizes import report, size
from tests.support.nodes import Node

ROUNDS = size(4, 40)
PER_ROUND = size(50, 250)
USERS = ["ada", "bob"]
LIMITS = InboxLimits(max_messages=1_000_000, max_bytes=1_000_000_000, max_age=3600.0)

MODELS = """
from tortoise import fields
from tortoise.models import Model

class Order(Model):
    id = fields.IntField(primary_key=True)
    number = fields.IntField()
"""
PLUGIN = """
import msgspec
import shop_models
from tortoise.transactions import in_transaction
from msanic_core import command, hookimpl

class Orders(msgspec.Struct):
    users: list[str]
    first: int
    count: int

@command("shop.order")
async def order(ctx, data: Orders) -> int:
    for number in range(data.first, data.first + data.count):
        async with in_transaction() as connection:
            await shop_models.Order.create(number=number, using_db=connection)
            for user in data.users:
                await ctx.push(user, "shop.ordered", number, using=connection)
        try:
            async with in_transaction() as connection:
                await ctx.push(data.users[0], "shop.ordered", -number, using=connection)
                raise LookupError
        except LookupError:
            pass
    return await shop_models.Order.all().count()

@hookimpl
def ws_command():
    return [order]

@hookimpl
def db_models():
    return shop_models
"""
MIGRATION = """
from tortoise import fields, migrations
from tortoise.migrations import operations as ops

class Migration(migrations.Migration):
    initial = True
    operations = [
        ops.CreateModel(
            name="Order",
            fields=[
                ("id", fields.IntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("number", fields.IntField()),
            ],
            options={"table": "shop_order", "app": "shop", "pk_attr": "id"},
            bases=["Model"],
        ),
    ]
"""


def install_shop(directory: Path) -> None:
    """A plugin whose command shop.order {users, first, count} writes orders and pushes each to the users, in one
    transaction; a push of another one is rolled back each time. It answers how many orders there are.
    """
    (directory / "shop_models.py").write_text(MODELS)
    migrations = directory / "shop_models_migrations"
    migrations.mkdir()
    (migrations / "__init__.py").touch()
    (migrations / "0001_initial.py").write_text(MIGRATION)
    install_plugin(directory, "shop", PLUGIN)


def test_each_is_delivered_once_after_the_next_start(tmp_path: Path, database_url: str) -> None:
    """Every second time the relay is held up, so that all of a round waits when the process is killed."""

    async def run() -> None:
        install_shop(tmp_path)
        async with redis_process(tmp_path, append_only=True) as redis:
            # For a lease the lock of a relay that was killed keeps the next one waiting.
            options = RedisOptions(redis.url, lease=1.0, timeout=0.2, patience=0.5)
            times = {f"redis.{name}": getattr(options, name) for name in ("lease", "timeout", "patience")}
            settings = {**SETTINGS, **times, "redis.url": redis.url, "db.url": database_url}
            engine = RedisEngine(options, LIMITS)
            await engine.start("observer", Node(), [])

            async def inbox(user: str) -> list[object]:
                page = await engine.inbox(user, "phone", None, 1_000_000)
                return [message.data for message in page.messages]

            for user in USERS:
                await inbox(user)
            async with serve_nodes(tmp_path, settings) as nodes:
                for round_ in range(ROUNDS):
                    node = await nodes.start()
                    first, last = round_ * PER_ROUND, (round_ + 1) * PER_ROUND
                    data = {"users": USERS, "first": first, "count": PER_ROUND}
                    async with Client(node.websocket_url(), user="shopper") as client:
                        if round_ % 2:
                            assert await client.call("shop.order", data) == last
                        else:
                            # What an earlier process has left is delivered before the relay is held up.
                            for user in USERS:
                                while len(await inbox(user)) < first:
                                    await asyncio.sleep(0.01)
                            async with engine.lock(LOCK, None):
                                assert await client.call("shop.order", data) == last
                                await node.kill()
                                assert len(await inbox(USERS[0])) == first
                        await node.kill()
                node = await nodes.start()
                expected = list(range(ROUNDS * PER_ROUND))
                for user in USERS:
                    while len(await inbox(user)) < len(expected):
                        await asyncio.sleep(0.01)
                # One more of each comes last, if nothing came twice.
                async with Client(node.websocket_url(), user="shopper") as client:
                    await client.call("shop.order", {"users": USERS, "first": len(expected), "count": 1})
                for user in USERS:
                    while (found := await inbox(user))[-1] != len(expected):
                        await asyncio.sleep(0.01)
                    assert found == [*expected, len(expected)]
            await engine.stop()
            report(
                f"transactional pushes on {database_url.partition(':')[0]}", pushes=len(USERS) * len(expected),
                kills=ROUNDS, lost=0, twice=0,
            )  # fmt: skip

    asyncio.run(run())
