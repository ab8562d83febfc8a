// The WebSocket server that is part of Bun.

import { parseArgs } from "node:util";

const { values } = parseArgs({ args: Bun.argv.slice(2), options: { port: { type: "string" } } });

Bun.serve({
  hostname: "127.0.0.1",
  port: Number(values.port),
  fetch(request, server) {
    if (new URL(request.url).pathname === "/echo" && server.upgrade(request)) {
      return undefined;
    }
    return new Response("a WebSocket is at /echo", { status: 404 });
  },
  websocket: {
    perMessageDeflate: false,
    message(socket, message) {
      socket.send(message);
    },
  },
});
