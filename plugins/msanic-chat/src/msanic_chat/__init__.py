"""Chat rooms and direct messages for msanic-core, and a page that shows them."""

from msanic_chat.plugin import ChatPlugin

__all__ = ["ChatPlugin", "plugin"]

plugin = ChatPlugin()
"""What the entry point names. The state of a server is made when the server starts, and goes with it."""
