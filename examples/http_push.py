"""From HTTP to sockets: a route that another service calls, and the message is on the user's screen, now or later."""

from sanic import Blueprint, HTTPResponse, Request
from sanic.response import json

from msanic_core import hookimpl

routes = Blueprint("notify")


@routes.post("/<user:str>")
async def notify(request: Request, user: str) -> HTTPResponse:
    """Mounted as POST /notify/USER: prefixes are the plugin's name unless the blueprint has its own."""
    server = request.app.ctx.msanic
    message_id = await server.push(user, "notify.message", request.json)
    return json({"id": message_id, "online": await server.online(user)})


@hookimpl
def http_blueprint() -> Blueprint:
    """Declare the routes."""
    return routes.copy("notify")
