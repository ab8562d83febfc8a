import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from benchmarks.environments import BENCHMARKS, CONSTRAINTS, ENVIRONMENT_OF, NEED_REDIS, PEERS, Environments
from benchmarks.exchanges import DURABLE_PUSH, SCENARIOS, Exchange
from benchmarks.plugin.src import msanic_bench
from benchmarks.targets import TARGETS, Process, Target
from msanic_core.config import load_settings
from msanic_core.config.sections import Settings
from msanic_core.testing import TestServer, serving

MARK = b"########"
BURST = 3
CORE = next(target for target in TARGETS if target.name == "core")
EXCHANGES = [
    pytest.param(scenario, exchange, id=f"{target.name}-{scenario}")
    for target in TARGETS
    for scenario, exchange in target.exchanges.items()
]
REQUIREMENTS = [BENCHMARKS / "requirements.txt", *PEERS.glob("requirements-*.txt")]


def process_of(target: Target) -> Process:
    """How the target is started where everything is there."""
    environments = Environments(
        core_python=Path("/core/python"),
        core_ten_python=Path("/core-ten/python"),
        peers_python=Path("/peers/python"),
        msanic_python=Path("/msanic/python"),
        node=Path("/node"),
        bun=Path("/bun"),
        load=Path("/load"),
        redis_server=Path("/redis-server"),
        missing=[],
    )
    return target.start(environments, 1234, 5678)


def settings_of(target: Target) -> Settings:
    """The settings that a core with this command line has."""
    command = process_of(target).command
    pairs = [command[i + 1].partition("=") for i, part in enumerate(command) if part == "--set"]
    return load_settings(None, {}, {key: value for key, _, value in pairs})[0]


def numbered(template: bytes, number: int) -> bytes:
    """The message with this number."""
    return template.replace(MARK, b"%08d" % number).replace(b"{burst}", b"%d" % BURST)


class Client:
    """Speaks WebSocket as an exchange wants it."""

    def __init__(self, connection: ClientConnection, exchange: Exchange) -> None:
        self._connection = connection
        self._is_text = exchange.opcode == 1

    async def send(self, message: bytes) -> None:
        await self._connection.send(message, text=self._is_text)

    async def receive(self) -> bytes:
        message = await asyncio.wait_for(self._connection.recv(), 5)
        assert isinstance(message, str) == self._is_text
        return message.encode() if isinstance(message, str) else message


async def opened(server: TestServer, exchange: Exchange, path: str) -> ClientConnection:
    [protocol] = [header.removeprefix("Sec-WebSocket-Protocol: ") for header in exchange.headers]
    return await connect(f"ws://127.0.0.1:{server.port}{path}", subprotocols=[Subprotocol(protocol)], proxy=None)


async def joined(server: TestServer, exchange: Exchange, number: int = 0) -> Client:
    """A client that has done what counts as opening a socket."""
    client = Client(await opened(server, exchange, exchange.path.replace("{n}", str(number))), exchange)
    for action, message in exchange.prologue:
        if action == "say":
            await client.send(message.replace(b"{n}", b"%d" % number))
        else:
            assert (await client.receive()).startswith(message)
    return client


def serve(main: Callable[[TestServer], Awaitable[None]], redis_url: str = "") -> None:
    """Run `main` with a server that has the plugin, and of the settings of the benchmark those of the plugin."""
    tables = {**settings_of(CORE).plugin_tables, "load": []}

    async def run() -> None:
        settings = {"auth": {"mode": "plugin"}, "plugins": tables, "redis": {"url": redis_url}}
        async with serving({"bench": msanic_bench}, settings) as server:
            await main(server)

    asyncio.run(run())


def test_names_are_unique_and_have_an_environment() -> None:
    names = [target.name for target in TARGETS]
    assert len(set(names)) == len(names)
    assert len({target.title for target in TARGETS}) == len(names)
    in_core = {"core", "core-redis", "core-nodes", "core-workers", "redis-py"}
    assert {name for name in names if name not in ENVIRONMENT_OF} == in_core
    assert {target.name for target in TARGETS if target.needs_redis} == NEED_REDIS


@pytest.mark.parametrize("target", [pytest.param(target, id=target.name) for target in TARGETS])
def test_a_command_says_the_port_and_names_what_is_there(target: Target) -> None:
    command = process_of(target).command
    assert command[command.index("--port") + 1] == "1234"
    assert any("5678" in part for part in command) == target.needs_redis
    own = [part for part in command if str(BENCHMARKS) in part]
    assert [part for part in own if not Path(part).is_file()] == []
    assert target.exchanges.keys() <= set(SCENARIOS)


@pytest.mark.parametrize(("scenario", "exchange"), EXCHANGES)
def test_templates_can_tell_one_message_from_another(scenario: str, exchange: Exchange) -> None:
    numbers = {name: MARK in getattr(exchange, name) for name in ("request", "reply", "push")}
    if exchange.receiver is not None:
        assert exchange.receiver.is_file()
        return
    commands = scenario.startswith(("command", "workers"))
    pushes = scenario.startswith(("fanout", "push"))
    assert numbers == {"request": commands or pushes, "reply": commands, "push": pushes}
    assert bool(exchange.trigger_path) == numbers["push"]
    assert (b"{burst}" in exchange.request) == (scenario == "fanout")


def test_options_are_those_of_the_load_generator() -> None:
    exchange = Exchange(
        path="/a",
        request=b"{burst}",
        reply=b"r",
        push=b"p",
        trigger_path="/t",
        acknowledge=b"a",
        opcode=2,
        headers=("A: b",),
        prologue=(("say", b"1"), ("await", b"2"), ("say", b"3")),
        answer_text=(b"4", b"5"),
        ignore_prefixes=(b"6",),
    )
    assert exchange.options(burst=7) == [
        *("--path", "/a", "--opcode", "2", "--request", "37", "--reply", "72", "--push", "70"),
        *("--acknowledge", "61", "--trigger-path", "/t"),
        *("--header", "A: b", "--say", "31", "--await", "32", "--say", "33"),
        *("--answer-text", "34", "35", "--ignore-prefix", "36"),
    ]
    assert Exchange(request=b"GET / HTTP/1.1\r\n\r\n").options() == ["--request", b"GET / HTTP/1.1\r\n\r\n".hex()]


@pytest.mark.parametrize(
    "target", [pytest.param(target, id=target.name) for target in TARGETS if target.name.startswith("core")]
)
def test_settings_are_known_and_let_all_load_in(target: Target) -> None:
    ws = settings_of(target).ws
    assert ws.max_connections >= 10_000
    assert ws.max_connections_per_address >= 10_000
    # 0 would be no limit, which is not what is measured.
    assert ws.rate >= 1_000_000
    assert ws.burst >= 1_000_000


@pytest.mark.parametrize("scenario", ["command", "command-msgpack"])
def test_the_core_answers_as_expected(scenario: str) -> None:
    exchange = CORE.exchanges[scenario]

    async def main(server: TestServer) -> None:
        client = await joined(server, exchange)
        for number in (0, 12_345_678):
            await client.send(numbered(exchange.request, number))
            assert await client.receive() == numbered(exchange.reply, number)

    serve(main)


@pytest.mark.parametrize(("scenario", "receivers", "pushes"), [("fanout", 2, BURST), ("push", 1, 1)])
def test_the_core_pushes_as_expected(scenario: str, receivers: int, pushes: int) -> None:
    exchange = CORE.exchanges[scenario]

    async def main(server: TestServer) -> None:
        clients = [await joined(server, exchange, number) for number in range(receivers)]
        trigger = Client(await opened(server, exchange, exchange.trigger_path), exchange)
        for number in (0, 12_345_678):
            await trigger.send(numbered(exchange.request, number))
            for client in clients:
                news = [await client.receive() for _ in range(pushes)]
                assert news == [numbered(exchange.push, number)] * pushes

    serve(main)


def test_the_core_pushes_durable_messages_as_expected(redis_url: str) -> None:
    exchange = DURABLE_PUSH

    async def main(server: TestServer) -> None:
        receiver = await joined(server, exchange)
        sender = Client(await opened(server, exchange, exchange.trigger_path), exchange)
        last = b"0" * 16
        for number in (0, 12_345_678):
            await sender.send(numbered(exchange.request, number))
            message = await receiver.receive()
            (message_id,) = re.findall(rb'"id":(\d{16})}$', message)
            assert message == numbered(exchange.push, number).replace(b"@" * 16, message_id)
            assert message_id > last
            last = message_id
            await receiver.send(exchange.acknowledge.replace(b"@" * 16, message_id))
            assert (await receiver.receive()).startswith(exchange.ignore_prefixes)

    serve(main, redis_url)


@pytest.mark.parametrize(("scenario", "body"), [("http", CORE.exchanges["http"].reply), ("start", None)])
def test_the_core_answers_http_as_expected(scenario: str, body: bytes | None) -> None:
    exchange = CORE.exchanges[scenario]

    async def main(server: TestServer) -> None:
        path = exchange.request.split()[1].decode() if exchange.request else exchange.path
        async with httpx.AsyncClient(base_url=server.url, trust_env=False) as client:
            response = await client.get(path)
        assert response.status_code == 200
        assert body in (None, response.content)

    serve(main)


@pytest.mark.parametrize("change", [("&token=", "&token=x"), ("&token=", "&key="), ("?user=", "?name=")])
def test_the_core_lets_nobody_else_in(change: tuple[str, str]) -> None:
    exchange = CORE.exchanges["connect"]

    async def main(server: TestServer) -> None:
        connection = await opened(server, exchange, exchange.path.replace(*change))
        with pytest.raises(ConnectionClosed) as closed:
            await connection.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4501

    serve(main)


def pins(path: Path) -> dict[str, str]:
    """Version by name in lower case; every line has to give one exactly, and nothing else."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    matches = [re.fullmatch(r"([\w.-]+)(?:\[\w+\])?==([\w.]+)", line) for line in lines]
    assert [line for line, match in zip(lines, matches, strict=True) if match is None] == []
    return {match[1].lower(): match[2] for match in matches if match is not None}


@pytest.mark.parametrize("path", [pytest.param(path, id=path.name) for path in REQUIREMENTS])
def test_requirements_are_exact_and_those_of_the_core_where_both_have_them(path: Path) -> None:
    ours, theirs = pins(CONSTRAINTS), pins(path)
    assert {name: version for name, version in theirs.items() if ours.get(name, version) != version} == {}


def test_packages_in_javascript_are_exact() -> None:
    package: dict[str, Any] = json.loads((PEERS / "package.json").read_text())
    assert package["dependencies"]
    assert [each for each in package["dependencies"].values() if not re.fullmatch(r"\d+\.\d+\.\d+", each)] == []
