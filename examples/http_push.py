"""A route that another service calls to push a message to a user, who gets it now or on return."""

from sanic import Blueprint, HTTPResponse, Request
from sanic.response import json

from msanic_core import hookimpl

routes = Blueprint("notify")


@routes.post("/<user:str>")
async def notify(request: Request, user: str) -> HTTPResponse:
    """POST /notify/USER: the prefix is the plugin's name, unless the blueprint has its own."""
    server = request.app.ctx.msanic
    message_id = await server.push(user, "notify.message", request.json)
    return json({"id": message_id, "online": await server.online(user)})


@hookimpl
def http_blueprint() -> Blueprint:
    """Declare the routes."""
    return routes.copy("notify")
