/*
 * In: a request handler. Out: a Node server on a free (or the asked) port of 127.0.0.1, which has told its
 * port on standard output once it listens; SIGTERM ends it, open streams included. Not here: any framework.
 */
"use strict";

const http = require("node:http");

function listen(handler) {
  const server = http.createServer(handler);
  server.listen(Number(process.env.PORT ?? 0), "127.0.0.1", () => {
    process.stdout.write(`LISTENING ${server.address().port}\n`);
  });
  process.on("SIGTERM", () => {
    server.close();
    server.closeAllConnections();
    // Genkit's own handler removes its runtime file and exits, but waits for the reflection server's streams.
    setTimeout(() => process.exit(0), 1000).unref();
  });
  return server;
}

module.exports = { listen };
