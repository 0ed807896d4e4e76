// Echo over WebSocket on bun's own server: uWebSockets inside, one thread that serves.

const arguments_ = process.argv.slice(2);
if (arguments_.length !== 2 || arguments_[0] !== "--listen") {
  console.error("usage: server.ts --listen ADDR:PORT");
  process.exit(2);
}
const [hostname, port] = arguments_[1].split(":");

const server = Bun.serve({
  hostname,
  port: Number(port),
  fetch(request, server) {
    return server.upgrade(request) ? undefined : new Response("WebSocket only\n", { status: 426 });
  },
  websocket: {
    message(connection, message) {
      connection.send(message);
    },
    maxPayloadLength: 2 << 20,
    // Off, as for the others: no timer and no ping of the server's own.
    idleTimeout: 0,
    sendPings: false,
    perMessageDeflate: false,
  },
});
console.log(`listening on ws://${server.hostname}:${server.port}/`);
