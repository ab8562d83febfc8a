"""Types with their own check, in commands over real sockets."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import msgpack
import msgspec
import pytest

from msanic_core import Context, command, hookimpl
from msanic_core.constraints import Colour, Password
from msanic_core.constraints.checked import CheckedText
from msanic_core.testing import serving


class Account(msgspec.Struct):
    secret: Password
    colour: Colour = "#fff"


class Even:
    """A plugin's own type."""

    def __init__(self, value: int) -> None:
        self.value = value

    @classmethod
    def from_wire(cls, value: Any) -> "Even":
        if value == "crash":
            raise LookupError("a defect of the plugin")
        if not isinstance(value, int) or value % 2:
            raise ValueError("must be even")
        return cls(value)


@command("account.make")
async def make(ctx: Context, data: Account) -> dict[str, str]:
    return {"type": type(data.secret).__name__, "colour": data.colour}


@command("account.even")
def even(ctx: Context, data: list[Even]) -> list[int]:
    return [each.value // 2 for each in data]


@pytest.mark.parametrize("packed", [True, False], ids=["msgpack", "json"])
def test_commands(packed: bool, caplog: pytest.LogCaptureFixture) -> None:
    plugin = SimpleNamespace(ws_command=hookimpl(lambda: [make, even]))

    async def main() -> None:
        async with serving({"account": plugin}) as server:
            client = await server.connect("ada")

            async def ask(cmd: str, data: Any) -> tuple[int, Any, str]:
                message = {"cmd": cmd, "data": data}
                await client.send(msgpack.packb(message) if packed else json.dumps(message))
                answer = await client.recv()
                found = msgpack.unpackb(answer) if isinstance(answer, bytes) else json.loads(answer)
                return found["code"], found["data"], found["hint"]

            assert await ask("account.make", {"secret": "hunter22"}) == (0, {"type": "str", "colour": "#fff"}, "")
            problem = "data.secret: must have 8 to 128 characters"
            assert await ask("account.make", {"secret": "hunter2"}) == (12, None, problem)
            problem = "data.colour: expected a colour such as #1e90ff"
            assert await ask("account.make", {"secret": "hunter22", "colour": "red"}) == (12, None, problem)
            assert await ask("account.even", [2, 4]) == (0, [1, 2], "")
            assert await ask("account.even", [2, 3]) == (12, None, "data[1]: must be even")
            assert await ask("account.even", ["crash"]) == (11, None, "the command failed")
            await client.close()

    asyncio.run(main())
    assert "hunter" not in caplog.text
    assert "a defect of the plugin" in caplog.text


def test_the_base_checks_nothing() -> None:
    with pytest.raises(NotImplementedError):
        CheckedText.from_wire("a")
    assert CheckedText.json_schema() == {"type": "string"}
