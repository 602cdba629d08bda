/*
 * Genkit's Next.js routes under a minimal server of ours.
 *
 * In: PORT, GENKIT_ENV; requests as Node's http gives them.
 * Out: each flow's `appRoute`, called the way Next calls a route: a Web Request in, a Web Response out, its
 * headers sent with the first bytes of its body, its signal aborted when the client leaves, a thrown error
 * answered with Next's plain 500.
 * Not here: Next's compiler, pages and compression, which no flow sees.
 */
import { Readable } from "node:stream";
import { appRoute } from "@genkit-ai/next";
import { InMemoryStreamManager, UserFacingError, genkit, z } from "genkit/beta";
import { apiKey } from "genkit/context";
import flowsModule from "./flows.cjs";
import listenModule from "./listen.cjs";

const { SECRET_HEADER, defineFlows } = flowsModule;
const { flows, report } = defineFlows({ ai: genkit({ name: "interop-next" }), z, UserFacingError });

const routes = new Map();
function mount(prefix, names, streamManager) {
  for (const name of names) {
    const contextProvider = name === "secure" ? apiKey(SECRET_HEADER) : undefined;
    routes.set(`${prefix}/${name}`, appRoute(flows[name], { contextProvider, streamManager }));
  }
}
mount("", Object.keys(flows), undefined);
mount("/durable", Object.keys(flows), new InMemoryStreamManager());
mount("/brief", ["slow", "menu"], new InMemoryStreamManager({ ttlSeconds: 1 }));

/** Aborts when the response is closed before it was finished: so Next learns that a client has left. */
function departure(response) {
  const controller = new AbortController();
  response.once("close", () => {
    if (!response.writableFinished) controller.abort();
  });
  return controller.signal;
}

function toWebRequest(request, url, signal) {
  const headers = Object.entries(request.headersDistinct).flatMap(([name, values]) =>
    values.map((value) => [name, value]),
  );
  const body = request.method === "POST" ? Readable.toWeb(request) : undefined;
  return new Request(url, { method: request.method, headers, body, duplex: "half", signal });
}

/** Next answers with a whole page of its own. */
const NO_SUCH_PAGE = "<!DOCTYPE html><html><title>404: This page could not be found.</title></html>";

async function answer(request, url, signal) {
  const run = /^\/runs\/([^/]+)$/.exec(url.pathname)?.[1];
  if (request.method === "GET" && run) return Response.json(report(decodeURIComponent(run)));
  const route = routes.get(url.pathname);
  if (!route) return new Response(NO_SUCH_PAGE, { status: 404, headers: { "content-type": "text/html" } });
  if (request.method !== "POST") return new Response(null, { status: 405 });
  return route(toWebRequest(request, url, signal));
}

/** Headers of a route that Next does not pass on: framing is Node's. */
const FRAMING = new Set(["content-length", "content-encoding", "transfer-encoding"]);

async function send(webResponse, response, signal) {
  response.statusCode = webResponse.status;
  for (const [name, value] of webResponse.headers) {
    if (!FRAMING.has(name)) response.appendHeader(name, value);
  }
  if (!webResponse.body) return response.end();
  const drained = () => new Promise((resolve) => { response.once("drain", resolve).once("close", resolve); });
  const sink = new WritableStream({
    write: (bytes) => (response.write(bytes) ? undefined : drained()),
    close: () => void response.end(),
  });
  return webResponse.body.pipeTo(sink, { signal });
}

async function handle(request, response) {
  const signal = departure(response);
  const url = new URL(request.url, "http://127.0.0.1");
  try {
    await send(await answer(request, url, signal), response, signal);
  } catch (error) {
    if (signal.aborted) return;
    console.error(error);
    if (response.headersSent) response.destroy();
    else response.writeHead(500, { "content-type": "text/plain" }).end("Internal Server Error");
  }
}

// A route writes on to a stream whose reader has left, and nobody awaits that write: Next logs it, and lives.
process.on("unhandledRejection", (reason) => console.error("unhandled rejection:", reason));

listenModule.listen(handle);
