/*
 * In: PORT, GENKIT_ENV, the functions. Out: a server on 127.0.0.1 that has printed `LISTENING <port>`: the
 * Functions Framework, which also serves deployed functions, with one function that hands each request on by
 * its path. (Deployed, each function has a server and an address of its own.)
 * Not here: what the functions do.
 */
import { http } from "@google-cloud/functions-framework";
import { getTestServer } from "@google-cloud/functions-framework/testing";
import { functions, report } from "./functions.mjs";

http("interop", (request, response) => {
  const path = decodeURIComponent(request.path.slice(1));
  if (request.method === "GET" && path.startsWith("runs/")) {
    response.json(report(path.slice("runs/".length)));
  } else if (Object.hasOwn(functions, path)) {
    return functions[path](request, response);
  } else {
    response.status(404).send("no such function");
  }
});

const server = getTestServer("interop");
server.listen(Number(process.env.PORT ?? 0), "127.0.0.1", () => {
  process.stdout.write(`LISTENING ${server.address().port}\n`);
});
process.on("SIGTERM", () => {
  server.close();
  server.closeAllConnections();
  // In dev mode Genkit ends the process itself once its runtime file is removed.
  if (process.env.GENKIT_ENV !== "dev") process.exit(0);
});
