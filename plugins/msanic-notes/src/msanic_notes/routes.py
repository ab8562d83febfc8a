"""The HTTP routes, version 1."""

from sanic import Blueprint, HTTPResponse, Request

from msanic_core import Server
from msanic_core.constraints import RowId
from msanic_core.db import Page
from msanic_core.http import body, login_required, query, reply
from msanic_notes.messages import Add, Changes, Done, Find, Listed, Past, Shown, Whole, With
from msanic_notes.notebook import Notebook
from msanic_notes.settings import NotesSettings


def notes_blueprint(server: Server, settings: NotesSettings) -> Blueprint:
    """The plugin's routes, all for who is logged in."""
    routes = login_required(Blueprint("notes", version=1))

    def notebook(request: Request) -> Notebook:
        return Notebook(server, request.ctx.identity.user, settings)

    @routes.get("/")
    @query
    async def find(request: Request, query: Find) -> Page[Listed]:
        """List notes, a page at a time."""
        return await notebook(request).find(query)

    @routes.post("/")
    @body
    async def add(request: Request, body: Add) -> Shown:
        """Write a note."""
        return await notebook(request).add(body)

    @routes.get("/<note_id:int>")
    async def get(request: Request, note_id: RowId) -> Whole:
        """Give a note with its text, and who has it."""
        return await notebook(request).get(note_id)

    @routes.patch("/<note_id:int>")
    @body
    async def edit(request: Request, note_id: RowId, body: Changes) -> Shown:
        """Change a note, if it still has the version that is named."""
        return await notebook(request).edit(note_id, body)

    @routes.delete("/<note_id:int>")
    async def remove(request: Request, note_id: RowId) -> HTTPResponse:
        """Delete a note of one's own."""
        await notebook(request).remove(note_id)
        return reply()

    @routes.post("/<note_id:int>/members")
    @body
    async def share(request: Request, note_id: RowId, body: With) -> HTTPResponse:
        """Let somebody have a note of one's own too."""
        await notebook(request).share(note_id, body.user)
        return reply()

    @routes.get("/activity")
    @query
    async def activity(request: Request, query: Past) -> Page[Done]:
        """List what one did, a page at a time."""
        return await notebook(request).activity(query)

    return routes
