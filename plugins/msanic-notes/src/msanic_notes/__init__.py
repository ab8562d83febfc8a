"""Notes that users keep and share with others in realtime, for msanic-core."""

from datetime import UTC, datetime
from types import ModuleType

from sanic import Blueprint

from msanic_core import AnyCommand, OfflineReason, Server, SessionInfo, hookimpl
from msanic_notes import models
from msanic_notes.commands import COMMANDS
from msanic_notes.routes import notes_blueprint
from msanic_notes.settings import NotesSettings


@hookimpl
def plugin_settings() -> type[NotesSettings]:
    """`[plugins.notes]`."""
    return NotesSettings


@hookimpl
def db_models() -> ModuleType:
    """Notes, who has them, and who was there."""
    return models


@hookimpl
def ws_command() -> list[AnyCommand]:
    """`notes.add` and the others."""
    return COMMANDS


@hookimpl
def http_blueprint(server: Server, settings: NotesSettings) -> Blueprint:
    """The same for HTTP, below `/v1/notes/`."""
    return notes_blueprint(server, settings)


@hookimpl
async def ws_offline(session: SessionInfo, reason: OfflineReason) -> None:
    """Write down when a user was last there, and why no longer."""
    if session.last and session.closed_at is not None:
        at = datetime.fromtimestamp(session.closed_at, UTC)
        await models.Person.upsert({"seen_at": at, "seen_reason": reason.value}, user=session.user)
