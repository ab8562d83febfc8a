"""The WebSocket commands."""

from msanic_core import AnyCommand, Context, command
from msanic_core.db import Page
from msanic_notes.messages import Add, Done, Edit, Find, Listed, OfNote, Past, Share, Shown, Whole
from msanic_notes.notebook import Notebook
from msanic_notes.settings import NotesSettings

NotesContext = Context[NotesSettings]


@command("notes.list", id=4001)
async def find(ctx: NotesContext, data: Find) -> Page[Listed]:
    """List notes, a page at a time."""
    return await _notebook(ctx).find(data)


@command("notes.get", id=4002)
async def get(ctx: NotesContext, data: OfNote) -> Whole:
    """Give a note with its text, and who has it."""
    return await _notebook(ctx).get(data.id)


@command("notes.add", id=4003)
async def add(ctx: NotesContext, data: Add) -> Shown:
    """Write a note."""
    return await _notebook(ctx).add(data)


@command("notes.edit", id=4004)
async def edit(ctx: NotesContext, data: Edit) -> Shown:
    """Change a note, if it still has the version that is named."""
    return await _notebook(ctx).edit(data.id, data)


@command("notes.remove", id=4005)
async def remove(ctx: NotesContext, data: OfNote) -> None:
    """Delete a note of one's own."""
    await _notebook(ctx).remove(data.id)


@command("notes.share", id=4006)
async def share(ctx: NotesContext, data: Share) -> None:
    """Let somebody have a note of one's own too."""
    await _notebook(ctx).share(data.id, data.user)


@command("notes.activity", id=4007)
async def activity(ctx: NotesContext, data: Past) -> Page[Done]:
    """List what one did, a page at a time."""
    return await _notebook(ctx).activity(data)


COMMANDS: list[AnyCommand] = [find, get, add, edit, remove, share, activity]


def _notebook(ctx: NotesContext) -> Notebook:
    return Notebook(ctx.server, ctx.user, ctx.settings)
