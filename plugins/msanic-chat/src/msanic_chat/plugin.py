"""The hooks. What a server's chat has to remember is made when the server starts, and belongs to that server."""

from sanic import Blueprint

from msanic_chat.commands import COMMANDS, announce_lost
from msanic_chat.rooms import Rooms
from msanic_chat.routes import chat_blueprint
from msanic_chat.settings import ChatSettings
from msanic_core import AnyCommand, Server, SessionInfo, hookimpl


@hookimpl
def plugin_settings() -> type[ChatSettings]:
    """`[plugins.chat]`."""
    return ChatSettings


@hookimpl
def server_start(settings: ChatSettings) -> Rooms:
    """Make the rooms of a server: the plugin's state."""
    return Rooms(settings.history, settings.empty_rooms)


@hookimpl
def ws_command() -> list[AnyCommand]:
    """`chat.join` and the others."""
    return COMMANDS


@hookimpl
async def ws_offline(session: SessionInfo, server: Server, state: Rooms) -> None:
    """Take a lost session out of its rooms."""
    state.forget(session.id)
    await announce_lost(server, session)


@hookimpl
def http_blueprint() -> Blueprint:
    """The page at `/` and what it loads."""
    return chat_blueprint()
