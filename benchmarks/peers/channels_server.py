"""Django Channels on daphne, its own server."""

from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from command_line import BACKLOG, HOST, arguments
from daphne.server import Server
from django.conf import settings
from django.urls import path


class Echo(AsyncWebsocketConsumer):
    """Sends everything back."""

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> Any:
        """A message."""
        await self.send(text_data=text_data, bytes_data=bytes_data)


if __name__ == "__main__":
    settings.configure(DEBUG=False, ALLOWED_HOSTS=[HOST], SECRET_KEY="of a benchmark", LOGGING_CONFIG=None)
    Server(
        application=ProtocolTypeRouter({"websocket": URLRouter([path("echo", Echo.as_asgi())])}),
        endpoints=[f"tcp:port={arguments().port}:interface={HOST}:backlog={BACKLOG}"],
        verbosity=0,
    ).run()
