/*
 * The Express app that both module systems and both releases share.
 *
 * In: Express, Genkit's handler and context provider, the flows, and (where the release has one) its stream
 * manager class, all loaded by the caller: so an ES module app is really one, and a CommonJS app the other.
 * Out: the flows, served on 127.0.0.1. Not here: what the flows do, and the socket.
 */
"use strict";

const { listen } = require("./listen.cjs");

function serve({ express, expressHandler, apiKey, InMemoryStreamManager, flows, report, SECRET_HEADER }) {
  const app = express();
  // Express's own error pages show stack traces unless it is told that this is production.
  app.set("env", process.env.NODE_ENV ?? (process.env.GENKIT_ENV === "dev" ? "development" : "production"));
  app.use(express.json());

  const mount = (prefix, names, streamManager) => {
    for (const name of names) {
      const contextProvider = name === "secure" ? apiKey(SECRET_HEADER) : undefined;
      app.post(`${prefix}/${name}`, expressHandler(flows[name], { contextProvider, streamManager }));
    }
  };
  const names = Object.keys(flows);
  mount("", names, undefined);
  if (InMemoryStreamManager) {
    mount("/durable", names, new InMemoryStreamManager());
    mount("/brief", ["slow", "menu"], new InMemoryStreamManager({ ttlSeconds: 1 }));
  }
  app.get("/runs/:id", (request, response) => {
    response.json(report(request.params.id));
  });

  return listen(app);
}

module.exports = { serve };
