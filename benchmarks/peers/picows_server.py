"""picows: the fastest WebSocket frames there are for asyncio, with nothing of an application: the floor.

Of plain asyncio and uvloop, each with and without aiofastnet, which picows uses by itself where it is installed, uvloop
with aiofastnet needs the least CPU time for a message; with many messages in one read the four are close to each other.
"""

import asyncio
import json
from urllib.parse import parse_qs, urlsplit

import uvloop
from command_line import BACKLOG, HOST, arguments
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

fan_receivers: set[WSTransport] = set()
push_receivers: set[WSTransport] = set()


class Echo(WSListener):
    """Sends everything back."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """A message, or the end."""
        if frame.msg_type == WSMsgType.CLOSE:
            close(transport, frame)
        else:
            transport.send(frame.msg_type, frame.get_payload_as_memoryview())


class FanTrigger(WSListener):
    """Each message goes to all receivers, `count` times."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Send the news."""
        if frame.msg_type == WSMsgType.CLOSE:
            return close(transport, frame)
        order = json.loads(frame.get_payload_as_bytes())
        news = {"cmd": "bench.news", "data": {"text": order["text"]}, "code": 0, "hint": ""}
        for _ in range(order["count"]):
            message = json.dumps(news, separators=(",", ":")).encode()
            for receiver in fan_receivers:
                receiver.send(WSMsgType.TEXT, message)


class PushSender(WSListener):
    """What it sends goes to the receivers as it is."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Forward."""
        if frame.msg_type == WSMsgType.CLOSE:
            return close(transport, frame)
        message = frame.get_payload_as_bytes()
        for receiver in push_receivers:
            receiver.send(frame.msg_type, message)


class Receiver(WSListener):
    """Gets what the others cause."""

    def __init__(self, receivers: set[WSTransport]) -> None:
        super().__init__()
        self.receivers = receivers

    def on_ws_connected(self, transport: WSTransport) -> None:
        """From now on."""
        self.receivers.add(transport)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """No longer."""
        self.receivers.discard(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Only the end is of interest."""
        if frame.msg_type == WSMsgType.CLOSE:
            close(transport, frame)


def close(transport: WSTransport, frame: WSFrame) -> None:
    """Answer the client's close."""
    transport.send_close(frame.get_close_code(), frame.get_close_message())
    transport.disconnect()


def listener_for(request: WSUpgradeRequest) -> WSListener | None:
    """The listener of a path; None answers 404."""
    url = urlsplit(request.path.decode())
    role = parse_qs(url.query).get("role")
    match url.path, role:
        case "/echo", _:
            return Echo()
        case "/fan", ["receiver"]:
            return Receiver(fan_receivers)
        case "/fan", ["trigger"]:
            return FanTrigger()
        case "/push", ["receiver"]:
            return Receiver(push_receivers)
        case "/push", ["sender"]:
            return PushSender()
    return None


async def main() -> None:
    """Serve."""
    server = await ws_create_server(listener_for, HOST, arguments().port, backlog=BACKLOG)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
