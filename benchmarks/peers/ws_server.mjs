// ws, the WebSocket library of Node.

import { createRequire } from "node:module";
import { parseArgs } from "node:util";

// Unlike `import` this looks in NODE_PATH, where the environment for the benchmarks has its packages.
const { WebSocketServer } = createRequire(import.meta.url)("ws");

const { values } = parseArgs({ options: { port: { type: "string" } } });
const server = new WebSocketServer({
  host: "127.0.0.1",
  port: Number(values.port),
  path: "/echo",
  backlog: 2048,
  perMessageDeflate: false,
});

server.on("connection", (socket) => {
  socket.on("error", console.error);
  socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
});
