"""Sanic by itself: what an application on it does without msanic-core. Everything in the form its guide shows."""

import json

from command_line import BACKLOG, HOST, arguments
from sanic import HTTPResponse, Request, Sanic, Websocket
from sanic.response import json as json_response

app = Sanic("bench")
fan_receivers: set[Websocket] = set()
push_receivers: set[Websocket] = set()


@app.websocket("/echo")
async def echo(_: Request, ws: Websocket) -> None:
    """Send everything back."""
    async for message in ws:
        await ws.send(message)


@app.websocket("/fan")
async def fan(request: Request, ws: Websocket) -> None:
    """Each message of a trigger goes to all receivers, `count` times."""
    if request.args.get("role") == "receiver":
        await stay(fan_receivers, ws)
    async for message in ws:
        order = json.loads(message)
        news = {"cmd": "bench.news", "data": {"text": order["text"]}, "code": 0, "hint": ""}
        for _ in range(order["count"]):
            text = json.dumps(news, separators=(",", ":"))
            for receiver in list(fan_receivers):
                await receiver.send(text)


@app.websocket("/push")
async def push(request: Request, ws: Websocket) -> None:
    """What a sender sends goes to the receivers as it is."""
    if request.args.get("role") == "receiver":
        await stay(push_receivers, ws)
    async for message in ws:
        for receiver in list(push_receivers):
            await receiver.send(message)


@app.get("/bench/json")
async def greet(request: Request) -> HTTPResponse:
    """A route with a parameter."""
    return json_response({"hello": request.args.get("name"), "number": 7})


async def stay(receivers: set[Websocket], ws: Websocket) -> None:
    """Be a receiver until the connection ends."""
    receivers.add(ws)
    try:
        async for _ in ws:
            pass
    finally:
        receivers.discard(ws)


if __name__ == "__main__":
    app.run(
        host=HOST,
        port=arguments().port,
        backlog=BACKLOG,
        single_process=True,
        access_log=False,
        motd=False,
    )
