"""What plugin code is handed: a `Server` everywhere, and in a command handler the `Context` of the session."""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Generic, Protocol, overload

from typing_extensions import TypeVar

from msanic_core.db.database import Database
from msanic_core.db.outbox.transaction import TransactionOutbox
from msanic_core.engine.base import Engine, Lock
from msanic_core.identity import Identity, SessionInfo, check_name
from msanic_core.session.membership import Membership
from msanic_core.session.session import Session
from msanic_core.wire import Push

if TYPE_CHECKING:
    from tortoise.backends.base.client import BaseDBAsyncClient


T = TypeVar("T")
Settings = TypeVar("Settings", default=Any)
State = TypeVar("State", default=Any)


class PluginValues(Protocol):
    """What a server has of each plugin: its settings, and what its `server_start` returned."""

    @property
    def settings(self) -> Any:
        """None if the plugin declares none."""

    @property
    def state(self) -> Any:
        """None before the plugin has started, and if it has none."""


class Server:
    """The running node, for code without a session: hooks that ask for `server`, and `request.app.ctx.msanic`.

    The core makes it. User ids and group names are checked: 1 to 255 bytes of UTF-8 without control characters, else
    `ValueError`.
    """

    def __init__(
        self,
        node: str,
        engine: Engine,
        membership: Membership,
        db: Database,
        outbox: TransactionOutbox,
        plugins: Mapping[str, PluginValues],
        call_hook: Callable[[str, Mapping[str, Any]], Awaitable[Any]],
    ) -> None:
        self.node = node
        self.db = db
        self._outbox = outbox
        self._engine = engine
        self._membership = membership
        self._plugins = plugins
        self._call_hook = call_hook

    @overload
    def settings_of(self, plugin: str) -> Any: ...

    @overload
    def settings_of(self, plugin: str, type_: type[T]) -> T: ...

    def settings_of(self, plugin: str, type_: type[Any] = object) -> Any:
        """The settings of a plugin, by the plugin's name; None if it has none, or there is no such plugin.

        With `type_` the result has this type for type checkers too; anything else raises `TypeError`.
        """
        return _of_type(getattr(self._plugins.get(plugin), "settings", None), type_, f"the settings of {plugin!r}")

    @overload
    def state_of(self, plugin: str) -> Any: ...

    @overload
    def state_of(self, plugin: str, type_: type[T]) -> T: ...

    def state_of(self, plugin: str, type_: type[Any] = object) -> Any:
        """What the `server_start` of a plugin has returned, by the plugin's name; None if it has not.

        With `type_` the result has this type for type checkers too; anything else raises `TypeError`.
        """
        return _of_type(getattr(self._plugins.get(plugin), "state", None), type_, f"the state of {plugin!r}")

    async def call_hook(self, name: str, **arguments: Any) -> Any:
        """Call a hook that a plugin has specified for others.

        Returns the list of what the implementations gave, in call order, None left out. If the specification says
        `firstresult=True`: the first result that is not None, or None, and the others are not called.

        A plugin that raises is logged and left out. Raises `LookupError` when no plugin specifies such a hook.
        """
        return await self._call_hook(name, arguments)

    async def push(
        self,
        user: str,
        cmd: str | int,
        data: Any = None,
        *,
        durable: bool = True,
        key: str | None = None,
        using: "BaseDBAsyncClient | None" = None,
    ) -> int | None:
        """Send to every session of a user. Returns the message's id in the user's inbox; None if it has none yet.

        Durable: kept until each client of the user has it, within the inbox's bounds, and replayed in order on
        reconnect. Not durable: for who is there now. Raises `WireEncodeError` if `data` cannot be encoded.

        `key`, 1 to 255 bytes, makes it safe to try again: a durable message with a key already among the user's last
        1,000 is not stored again and not sent again, the id of the first is returned. Raises `ValueError` if the key is
        not 1 to 255 bytes of text, or if `durable` is False.

        `using`: the connection of a transaction (`async with in_transaction() as connection`). The message is part of
        it: sent once when it has committed, also if this process dies then, and never if it is rolled back. Such
        messages of a user are sent in the order in which they were pushed. Raises `ConfigError` where no plugin has
        models, and with that no table for them.
        """
        check_name("user", user)
        if key is not None:
            check_name("key", key)
            if not durable:
                raise ValueError("key= needs durable=True: only a durable message is remembered by its key")
        if using is not None and not durable:
            raise ValueError("using= needs durable=True: only a durable message can wait for a transaction")
        push = Push(cmd, data)
        if using is not None:
            await self._outbox.add(using, user, push, key)
            return None
        return await self._engine.push(user, push, durable, key)

    async def broadcast(self, group: str | None, cmd: str | int, data: Any = None) -> None:
        """Send to every session in a group, or with None to everybody, without waiting for any socket.

        Raises `WireEncodeError` if `data` cannot be encoded.
        """
        if group is not None:
            check_name("group", group)
        await self._engine.broadcast(group, Push(cmd, data))

    async def members(self, group: str) -> list[str]:
        """The users with a session in the group, sorted."""
        return await self._engine.members(check_name("group", group))

    async def count(self, group: str | None = None) -> int:
        """How many sessions are in the group, or in all. In all, those of other nodes may be some seconds old."""
        return await self._engine.count(group if group is None else check_name("group", group))

    async def online(self, user: str) -> bool:
        """Whether the user has a session."""
        return await self._engine.online(check_name("user", user))

    async def sessions(self, user: str) -> list[SessionInfo]:
        """The user's sessions, oldest first."""
        return await self._engine.sessions(check_name("user", user))

    async def kick(self, user: str, session_id: str | None = None) -> int:
        """End one session of a user, or all of them, with close code 4504. Returns how many were ended."""
        return await self._engine.kick(check_name("user", user), session_id)

    async def join(self, session: SessionInfo, group: str) -> bool:
        """Put a session, of any node, into a group; it is in it when this returns. False: the session is gone.

        Raises `StoreUnavailableError` if the session's node does not answer in time.
        """
        check_name("group", group)
        if session.node == self.node:
            return await self._membership.join(session.id, group)
        return await self._engine.ask_to_change_group(session, group, True)

    async def leave(self, session: SessionInfo, group: str) -> bool:
        """Take a session, of any node, out of a group. False: the session is gone. Raises as `join` does."""
        check_name("group", group)
        if session.node == self.node:
            return await self._membership.leave(session.id, group)
        return await self._engine.ask_to_change_group(session, group, False)

    def lock(self, name: str, *, wait: float | None = None) -> AbstractAsyncContextManager[Lock]:
        """A lock for `async with`: one task at a time holds it, on all nodes. It cannot be taken twice.

        `wait`: seconds to wait for it, 0: only if it is free now, None: as long as it takes. Raises `TimeoutError` when
        the time is up, `StoreUnavailableError` when the store is away, `ValueError` for what is no name. When the lock
        is lost, the task is cancelled within the block, and the block raises `LockLostError`. `as lock` gives a
        `fence`, a number that rises with every holder, for storage that is to refuse who has lost the lock.
        """
        return self._engine.lock(check_name("lock", name), wait)


class Context(Generic[Settings, State]):
    """What a command handler is given: who sent the command, and the means to reach others.

    `Context[ChatSettings, Rooms]` gives the types of `settings`, what the plugin's `plugin_settings` declares, and of
    `state`, what its `server_start` has returned. Both may be left out.
    """

    __slots__ = ("_session", "identity", "log", "server", "session", "settings", "state", "user")

    def __init__(self, server: Server, session: Session, plugin: str) -> None:
        self.server = server
        self.session: SessionInfo = session.info
        self.identity: Identity = session.identity
        self.user: str = session.info.user
        self.settings: Settings = server.settings_of(plugin)
        self.state: State = server.state_of(plugin)
        self.log = logging.getLogger(f"msanic_core.plugin.{plugin}")
        self._session = session

    @property
    def db(self) -> Database:
        """The database of the server."""
        return self.server.db

    @property
    def groups(self) -> Iterable[str]:
        """The groups this session is in, sorted."""
        return sorted(self._session.groups)

    async def push(
        self,
        user: str,
        cmd: str | int,
        data: Any = None,
        *,
        durable: bool = True,
        key: str | None = None,
        using: "BaseDBAsyncClient | None" = None,
    ) -> int | None:
        """See `Server.push`."""
        return await self.server.push(user, cmd, data, durable=durable, key=key, using=using)

    async def broadcast(self, group: str | None, cmd: str | int, data: Any = None) -> None:
        """See `Server.broadcast`."""
        await self.server.broadcast(group, cmd, data)

    async def join(self, group: str) -> bool:
        """Put this session into a group. False: the session is gone, its handler still runs."""
        return await self.server.join(self.session, group)

    async def leave(self, group: str) -> bool:
        """Take this session out of a group. False: the session is gone, its handler still runs."""
        return await self.server.leave(self.session, group)

    async def members(self, group: str) -> list[str]:
        """See `Server.members`."""
        return await self.server.members(group)

    async def count(self, group: str | None = None) -> int:
        """See `Server.count`."""
        return await self.server.count(group)

    async def online(self, user: str) -> bool:
        """See `Server.online`."""
        return await self.server.online(user)

    def lock(self, name: str, *, wait: float | None = None) -> AbstractAsyncContextManager[Lock]:
        """See `Server.lock`."""
        return self.server.lock(name, wait=wait)


def _of_type(value: Any, type_: type[Any], what: str) -> Any:
    if not isinstance(value, type_):
        raise TypeError(f"{what}: {type(value).__name__} instead of {type_.__name__}")
    return value
