/*
 * The flows that every interop app defines, in JavaScript, once.
 *
 * In: a Genkit instance `ai`, its zod `z`, and its `UserFacingError`; so this file imports no framework and
 * loads from CommonJS and from ES modules alike.
 * Out: `flows`, by name, and `report(run)`, what the server itself saw of a run.
 * Not here: ports, paths, authorization, stream managers. Those are each app's.
 */
"use strict";

const { setTimeout: pause } = require("node:timers/promises");

/** The runs that were named by their callers: how often started, what was sent last, how it ended. */
function runTable() {
  const table = new Map();
  return {
    start(id) {
      const entry = { runs: (table.get(id)?.runs ?? 0) + 1, sent: 0, ended: null };
      if (id !== undefined) table.set(id, entry);
      return entry;
    },
    report(id) {
      return table.get(id) ?? { runs: 0, sent: 0, ended: null };
    },
  };
}

function defineFlows({ ai, z, UserFacingError }) {
  const table = runTable();
  const flows = {};
  const define = (config, body) => {
    flows[config.name] = ai.defineFlow(config, body);
  };

  define(
    {
      name: "menu",
      inputSchema: z.object({
        theme: z.string(),
        count: z.number().int().default(3),
        run: z.string().optional(),
      }),
      streamSchema: z.object({ index: z.number().int(), name: z.string() }),
      outputSchema: z.object({ theme: z.string(), names: z.array(z.string()), total: z.number().int() }),
    },
    async ({ theme, count = 3, run }, { sendChunk }) => {
      // Genkit checks against the schema but does not fill in its defaults, so the default stands here too.
      const entry = table.start(run);
      const names = [];
      for (let index = 0; index < count; index++) {
        const name = `${theme} Crème brûlée № ${index} 😀\u2028end`;
        sendChunk({ index, name });
        names.push(name);
        entry.sent += 1;
      }
      entry.ended = "finished";
      return { theme, names, total: names.length };
    },
  );

  define({ name: "echo", inputSchema: z.string(), outputSchema: z.string() }, async (input) => input);

  define({ name: "void" }, async (_input, { sendChunk }) => {
    sendChunk(undefined);
    sendChunk(null);
  });

  define(
    {
      name: "boom",
      inputSchema: z.object({ n: z.number().int(), status: z.string().default("FAILED_PRECONDITION") }),
      streamSchema: z.number().int(),
      outputSchema: z.number().int(),
    },
    async ({ n, status = "FAILED_PRECONDITION" }, { sendChunk }) => {
      for (let index = 0; index < n; index++) sendChunk(index);
      throw new UserFacingError(status, `boom after ${n}`, { n, why: "asked for" });
    },
  );

  define(
    {
      name: "crash",
      inputSchema: z.object({ n: z.number().int() }),
      streamSchema: z.number().int(),
      outputSchema: z.number().int(),
    },
    async ({ n }, { sendChunk }) => {
      for (let index = 0; index < n; index++) sendChunk(index);
      throw new Error("secret-of-the-server");
    },
  );

  define(
    {
      name: "slow",
      inputSchema: z.object({ run: z.string(), n: z.number().int() }),
      streamSchema: z.number().int(),
      outputSchema: z.number().int(),
    },
    async ({ run, n }, { sendChunk, abortSignal }) => {
      const entry = table.start(run);
      try {
        for (let index = 0; index < n; index++) {
          // Older releases give flows no signal: then nothing tells them that nobody listens any more.
          await pause(50, undefined, { signal: abortSignal });
          sendChunk(index);
          entry.sent += 1;
        }
        entry.ended = "finished";
      } finally {
        entry.ended ??= "stopped";
      }
      return n;
    },
  );

  define(
    {
      name: "big",
      inputSchema: z.object({ size: z.number().int() }),
      streamSchema: z.string(),
      outputSchema: z.number().int(),
    },
    async ({ size }, { sendChunk }) => {
      sendChunk("x".repeat(size));
      return size;
    },
  );

  const Node = z.object({ name: z.string(), children: z.array(z.lazy(() => Node)) });
  const shout = (node) => ({ name: node.name.toUpperCase(), children: node.children.map(shout) });
  define(
    { name: "tree", inputSchema: Node, streamSchema: Node, outputSchema: Node },
    async (root, { sendChunk }) => {
      const visit = (node) => {
        sendChunk(node);
        node.children.forEach(visit);
      };
      visit(root);
      return shout(root);
    },
  );

  const Odd = z.object({
    "kebab-name": z.string(),
    class: z.number().int(),
    "with space": z.boolean(),
    mood: z.enum(["happy", "sad"]),
    shape: z.discriminatedUnion("kind", [
      z.object({ kind: z.literal("circle"), radius: z.number() }),
      z.object({ kind: z.literal("square"), side: z.number() }),
    ]),
    pair: z.tuple([z.string(), z.number().int()]),
    scores: z.record(z.number()),
    maybe: z.string().nullable(),
    when: z.string().datetime(),
  });
  define(
    { name: "odd", inputSchema: Odd, streamSchema: Odd, outputSchema: Odd },
    async (input, { sendChunk }) => {
      sendChunk(input);
      return input;
    },
  );

  // Who may call it is said where the flow is served: there the framework keeps authorization.
  define(
    { name: "secure", inputSchema: z.string(), outputSchema: z.string() },
    async (input) => `hello ${input}`,
  );

  return { flows, report: table.report };
}

/** What the header of a caller of `secure` must be, whole: the framework's `apiKey()` compares it whole. */
const SECRET_HEADER = "Bearer open-sesame";

module.exports = { defineFlows, SECRET_HEADER };
