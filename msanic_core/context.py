"""The objects that plugin code gets: the `Server` everywhere, and the `Context` in a command handler."""

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
    """The values that a server keeps for each plugin."""

    @property
    def settings(self) -> Any:
        """The plugin's settings; None if it declares none."""

    @property
    def state(self) -> Any:
        """What the plugin's `server_start` returned; None before that."""


class Server:
    """The running node, for code without a session: the argument `server` of hooks, and `request.app.ctx.msanic`.

    The core makes it; its constructor is internal. All methods raise `ValueError` for user ids and group names that are
    not 1 to 255 bytes of UTF-8 without control characters.
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

        With `type_` type checkers know the type of the result. Raises `TypeError` if the settings have another type.
        """
        return _of_type(getattr(self._plugins.get(plugin), "settings", None), type_, f"the settings of {plugin!r}")

    @overload
    def state_of(self, plugin: str) -> Any: ...

    @overload
    def state_of(self, plugin: str, type_: type[T]) -> T: ...

    def state_of(self, plugin: str, type_: type[Any] = object) -> Any:
        """The state of a plugin, by the plugin's name: what its `server_start` returned; None before that.

        With `type_` type checkers know the type of the result. Raises `TypeError` if the state has another type.
        """
        return _of_type(getattr(self._plugins.get(plugin), "state", None), type_, f"the state of {plugin!r}")

    async def call_hook(self, name: str, **arguments: Any) -> Any:
        """Call a hook that a plugin has declared with `hookspec`.

        Returns the list of all results that are not None, in call order. With `firstresult=True` in the declaration it
        returns the first result that is not None, and does not call the other plugins; None if there is no result.

        An exception of a plugin is logged, and its result is left out. Raises `LookupError` if no plugin declares such
        a hook.
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
        """Send a message to every session of a user.

        Returns the message's id in the user's inbox; None if it is not durable, or waits for a transaction.

        `durable`: the message is kept in the inbox until every client of the user has it, within the limits of
        `[inbox]`, and replayed in order after a reconnect. Otherwise only the sessions that exist now get it. Raises
        `WireEncodeError` if `data` cannot be encoded.

        `key` makes a second attempt safe: if one of the user's last 1,000 durable messages with a key has the same key,
        nothing is stored or sent, and the id of that message is returned. Raises `ValueError` if the key is not 1 to
        255 bytes of text, or if `durable` is False.

        `using`: the connection of a transaction (`async with in_transaction() as connection`). The message is sent once
        after the commit, even if this process dies after it, and never after a rollback. Such messages of a user are
        sent in the order of their pushes. Raises `ConfigError` if no plugin has models, because the core's table for
        these messages does not exist then.
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
        """Send a message to every session in a group; None: to all sessions. Does not wait for any socket.

        Raises `WireEncodeError` if `data` cannot be encoded.
        """
        if group is not None:
            check_name("group", group)
        await self._engine.broadcast(group, Push(cmd, data))

    async def members(self, group: str) -> list[str]:
        """The users that have a session in the group, sorted."""
        return await self._engine.members(check_name("group", group))

    async def count(self, group: str | None = None) -> int:
        """The number of sessions in the group; None: of all sessions, where other nodes' numbers are seconds old."""
        return await self._engine.count(group if group is None else check_name("group", group))

    async def online(self, user: str) -> bool:
        """Whether the user has a session."""
        return await self._engine.online(check_name("user", user))

    async def sessions(self, user: str) -> list[SessionInfo]:
        """The user's sessions, oldest first."""
        return await self._engine.sessions(check_name("user", user))

    async def kick(self, user: str, session_id: str | None = None) -> int:
        """End one session of a user, or all of them, with close code 4504. Returns the number of ended sessions."""
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
        """A lock for `async with`: one task at a time holds it, on all nodes. It is not reentrant.

        `wait`: seconds to wait for the lock; 0: take it only if it is free now; None: wait without a limit. Raises
        `TimeoutError` after this time, `StoreUnavailableError` if the store is unavailable, `ValueError` for an invalid
        name. If the lock is lost, the block is cancelled and raises `LockLostError`. `as lock` gives `lock.fence`, a
        number that is higher for every new holder: storage can refuse a writer with a lower number.
        """
        return self._engine.lock(check_name("lock", name), wait)


class Context(Generic[Settings, State]):
    """The first argument of a command handler: who has sent the command, and methods to reach other users.

    `Context[ChatSettings, Rooms]` gives type checkers the types of `settings` (see the hook `plugin_settings`) and
    `state` (the result of `server_start`). Both may be left out.
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
        """The groups of this session, sorted."""
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
