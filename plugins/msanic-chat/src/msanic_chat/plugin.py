"""The hooks. What a server's chat has to remember is made when the server starts, and belongs to that server."""

from weakref import WeakKeyDictionary

from sanic import Blueprint

from msanic_chat.commands import announce_lost, chat_commands
from msanic_chat.rooms import Rooms
from msanic_chat.routes import chat_blueprint
from msanic_chat.settings import ChatSettings
from msanic_core import AnyCommand, Server, SessionInfo, hookimpl


class ChatPlugin:
    """Chat for any number of servers in this process, each with rooms of its own."""

    def __init__(self) -> None:
        self._rooms: WeakKeyDictionary[Server, Rooms] = WeakKeyDictionary()

    @hookimpl
    def plugin_settings(self) -> type[ChatSettings]:
        """`[plugins.chat]`."""
        return ChatSettings

    @hookimpl
    def server_start(self, server: Server, settings: ChatSettings) -> None:
        """Make the rooms of a server."""
        self._rooms[server] = Rooms(settings.history, settings.empty_rooms)

    @hookimpl
    def ws_command(self) -> list[AnyCommand]:
        """`chat.join` and the others."""
        return chat_commands(self._rooms.__getitem__)

    @hookimpl
    async def ws_offline(self, session: SessionInfo, server: Server) -> None:
        """Take a lost session out of its rooms."""
        self._rooms[server].forget(session.id)
        await announce_lost(server, session)

    @hookimpl
    def http_blueprint(self) -> Blueprint:
        """The page at `/` and what it loads."""
        return chat_blueprint(self._rooms.__getitem__)
