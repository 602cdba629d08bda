/*
 * The flows as Firebase functions, without a project and without the emulator.
 *
 * In: nothing. Out: `functions`, by path, each a request handler as `firebase deploy` would find it among a
 * module's exports; and `report(run)`, what the flows themselves saw of a run.
 * Not here: the server that calls them.
 */
import "./offline_tokens.mjs"; // before firebase-functions
import { HttpsError, onCall, onCallGenkit } from "firebase-functions/v2/https";
import { UserFacingError, genkit, z } from "genkit/beta";
import flowsModule from "./flows.cjs";

const { SECRET_HEADER, defineFlows } = flowsModule;

/** The only public error that Firebase knows, made as Genkit's is. */
class PublicError extends HttpsError {
  constructor(status, message, details) {
    super(status.toLowerCase().replaceAll("_", "-"), message, details);
  }
}

const ai = genkit({ name: "interop-firebase" });
const { flows, report } = defineFlows({ ai, z, UserFacingError: PublicError });

// Genkit's own public error, which is none to Firebase: what a flow written for another server would throw.
const boomOfGenkit = ai.defineFlow(
  { name: "boomOfGenkit", inputSchema: z.object({ n: z.number().int(), status: z.string() }) },
  async ({ n, status }) => {
    throw new UserFacingError(status, `boom after ${n}`, { n, why: "asked for" });
  },
);

/** Firebase hands over no header, but the token as it was sent, which is no JWT here. */
function onlyWithTheSecret(auth) {
  if (auth === null) throw new HttpsError("unauthenticated", "no token");
  return `Bearer ${auth.rawToken}` === SECRET_HEADER;
}

const optionsOf = (name) => (name === "secure" ? { authPolicy: onlyWithTheSecret } : {});

/** As one would write it by hand: unlike `onCallGenkit`, it passes on every chunk, 0 too, and the signal. */
const byHand = (flow) =>
  onCall(optionsOf(flow.__action.name), (request, response) =>
    flow(request.data, {
      onChunk(chunk) {
        response.sendChunk(chunk).catch(() => {}); // the caller is gone; the signal tells the flow
      },
      abortSignal: response.signal,
    }),
  );

const functions = { boomOfGenkit: onCallGenkit(boomOfGenkit) };
for (const [name, flow] of Object.entries(flows)) {
  functions[name] = onCallGenkit(optionsOf(name), flow);
  functions[`oncall/${name}`] = byHand(flow);
}
// Comments between chunks within the time of a test: Firebase's own interval is 30 seconds.
functions["pinging/slow"] = onCallGenkit({ heartbeatSeconds: 0.01 }, flows.slow);

export { functions, report };
