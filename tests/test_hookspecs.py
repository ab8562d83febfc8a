"""Every hook is documented, typed, and has an example that runs with the objects the core gives it."""

import asyncio
import inspect
import re
import sys
import textwrap
import types
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
import sanic
from sanic.compat import Header
from sanic.request import Request

from msanic_core import hookspecs
from msanic_core.codes import OfflineReason
from msanic_core.config import settings_from
from msanic_core.context import Server
from msanic_core.db.database import Database
from msanic_core.db.outbox.transaction import TransactionOutbox
from msanic_core.engine.base import InboxLimits, OfflineJob
from msanic_core.engine.memory.memory_engine import MemoryEngine
from msanic_core.errors import AuthenticationError
from msanic_core.identity import Identity, SessionInfo
from msanic_core.plugins.calling import caller
from msanic_core.plugins.loading import load_plugins
from msanic_core.plugins.plugin import PluginSet, PluginStatus
from msanic_core.session.membership import Membership
from msanic_core.session.registry import Registry
from msanic_core.wire import Push

HOOKS: dict[str, Callable[..., Any]] = {
    name: function for name, function in vars(hookspecs).items() if hasattr(function, f"{hookspecs.PROJECT}_spec")
}


SESSION = SessionInfo("s1", "ann", "n1", 5.0, "127.0.0.1", last=True)


@pytest.fixture(autouse=True)
def no_example_stays() -> Iterator[None]:
    yield
    for hook in HOOKS:
        sys.modules.pop(f"example_of_{hook}", None)


class Sent:
    """The engine's way to sockets, which writes down what would be sent."""

    def __init__(self) -> None:
        self.messages: list[tuple[str | None, Push]] = []

    def to_user(self, user: str, push: Push) -> int:
        self.messages.append((user, push))
        return 1

    def to_group(self, group: str | None, push: Push) -> int:
        self.messages.append((group, push))
        return 1

    def close(self, session_id: str, reason: OfflineReason) -> bool:
        return False

    def sessions(self) -> list[SessionInfo]:
        return []

    def catch_up(self, session_id: str, last_id: int) -> None: ...

    def adopt(self, job: OfflineJob) -> None: ...

    async def change_group(self, session_id: str, group: str, member: bool) -> bool:
        return False

    def drop_sessions(self) -> None: ...


def example(hook: str) -> types.ModuleType:
    """Run the code below "Example::" of the hook's documentation, as the module of a plugin."""
    doc = inspect.getdoc(HOOKS[hook]) or ""
    _, *blocks = re.split(r"^Example::\n\n", doc, flags=re.MULTILINE)
    assert len(blocks) == 1, f"{hook} has {len(blocks)} examples"
    module = types.ModuleType(f"example_of_{hook}")
    sys.modules[module.__name__] = module
    exec(compile(textwrap.dedent(blocks[0]), module.__name__, "exec"), vars(module))
    return module


def loaded(hook: str) -> PluginSet:
    plugins = load_plugins(settings_from({"plugins": {"load": []}}), {"example": example(hook)})
    plugins.check()
    return plugins


async def called(hook: str, **available: Any) -> tuple[Any, list[tuple[str | None, Push]]]:
    """Call the example with a real server; returns its result and what it sent."""
    sent = Sent()
    engine = MemoryEngine(InboxLimits(10, 10_000, 60.0))
    await engine.start("n1", sent, [])
    plugins = loaded(hook)
    membership = Membership(Registry(), engine)
    outbox = TransactionOutbox(1, None)
    server = Server("n1", engine, membership, Database("sqlite://:memory:"), outbox, {}, caller(plugins))
    (implementation,) = plugins.implementations(hook)
    result = implementation.call(server=server, **available)
    return await result if inspect.isawaitable(result) else result, sent.messages


def request_with(token: str | None) -> Request:
    headers = Header({} if token is None else {"authorization": f"Bearer {token}"})
    absent: Any = None
    return Request(b"/ws", headers, "1.1", "GET", transport=absent, app=absent)


def test_these_are_all_hooks() -> None:
    assert set(HOOKS) == {
        "ws_command",
        "ws_offline",
        "ws_online",
        "http_blueprint",
        "authenticate",
        "plugin_settings",
        "db_models",
        "server_start",
        "server_stop",
    }
    assert set(HOOKS) > hookspecs.PLAIN_HOOKS


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_is_documented_and_typed(hook: str) -> None:
    function = HOOKS[hook]
    assert re.match(r"[A-Z].*\.\n\n.{80}", inspect.getdoc(function) or "", flags=re.DOTALL)
    # What the annotations say is mypy's to check; here only that none is missing.
    assert set(function.__annotations__) == {*inspect.signature(function).parameters, "return"}


@pytest.mark.parametrize("hook", HOOKS)
def test_the_example_is_a_working_plugin(hook: str) -> None:
    (plugin,) = [each for each in loaded(hook).plugins if each.name == "example"]
    assert (plugin.status, hook in plugin.hooks) == (PluginStatus.ACTIVE, True)


def test_the_example_of_ws_command_answers() -> None:
    ((_, command),) = loaded("ws_command").commands
    assert command.name == "math.add"
    assert asyncio.run(command(None, [1, 2])) == 3


def test_the_example_of_ws_offline_tells_everybody() -> None:
    _, sent = asyncio.run(called("ws_offline", session=SESSION, reason=OfflineReason.LOST))
    assert sent == [(None, Push("presence.gone", {"user": "ann", "reason": "lost"}))]


def test_the_example_of_ws_online_greets() -> None:
    _, sent = asyncio.run(called("ws_online", session=SESSION))
    assert sent == [("ann", Push("chat.welcome", {"node": "n1"}))]


def test_the_example_of_http_blueprint_has_a_route() -> None:
    blueprint, _ = asyncio.run(called("http_blueprint"))
    assert isinstance(blueprint, sanic.Blueprint)
    assert len(blueprint._future_routes) == 1


def test_the_example_of_authenticate_answers_passes_on_and_refuses() -> None:
    assert asyncio.run(called("authenticate", request=request_with("s3cret")))[0] == Identity("ann")
    assert asyncio.run(called("authenticate", request=request_with(None)))[0] is None
    with pytest.raises(AuthenticationError):
        asyncio.run(called("authenticate", request=request_with("guessed")))


def test_the_example_of_plugin_settings_gives_settings() -> None:
    settings = settings_from({"plugins": {"load": [], "example": {"history": 5}}})
    plugins = load_plugins(settings, {"example": example("plugin_settings")}).plugins
    (plugin,) = [each for each in plugins if each.name == "example"]
    assert plugin.settings is not None
    assert msgspec.to_builtins(plugin.settings) == {"history": 5}


def test_the_example_of_db_models_gives_a_model() -> None:
    core, app = loaded("db_models").apps
    assert (core.label, app.label, app.migrations) == ("msanic_core", "example", "example_of_db_models_migrations")
    (model,) = app.models()
    assert (model.__name__, model._meta.db_table) == ("Note", "example_note")


def test_the_example_of_server_start_gives_a_state() -> None:
    assert asyncio.run(called("server_start")) == ({"motd": "hello"}, [])


def test_the_example_of_server_stop_closes_what_was_opened() -> None:
    async def run() -> None:
        plugins = loaded("server_stop")
        (start,), (stop,) = plugins.implementations("server_start"), plugins.implementations("server_stop")
        opened = start.plugin.state = await start.call()
        await stop.call()
        await asyncio.wait({opened})
        assert opened.cancelled()

    asyncio.run(run())
