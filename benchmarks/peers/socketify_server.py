"""socketify: uWebSockets, in C++, with handlers in Python."""

from command_line import HOST, arguments
from socketify import App, AppListenOptions, CompressOptions, OpCode, WebSocket


def echo(ws: WebSocket, message: str | bytes, opcode: OpCode) -> None:
    """Send everything back."""
    ws.send(message, opcode)


app = App()
app.ws("/echo", {"compression": CompressOptions.DISABLED, "message": echo})
app.listen(AppListenOptions(port=arguments().port, host=HOST))
app.run()
