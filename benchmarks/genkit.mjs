// The worker for Genkit's JavaScript client: takes orders as lines of JSON, answers with what they cost.
// In: the server's address, the folder with the client's package; orders as in `worker.py`. Out: a line each.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [url, folder] = process.argv.slice(2);
const { streamFlow } = createRequire(`${folder}/`)("genkit/beta/client");

async function count(path) {
  const { stream, output } = streamFlow({ url: `${url}/${path}`, input: 1 });
  let chunks = 0;
  for await (const _ of stream) chunks += 1;
  await output;
  return chunks;
}

function cpuSeconds() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

const orders = {
  async count({ path, times }) {
    const began = performance.now();
    const cpu = cpuSeconds();
    let chunks = 0;
    for (let i = 0; i < times; i += 1) chunks += await count(path);
    return { cpu: cpuSeconds() - cpu, wall: (performance.now() - began) / 1e3, chunks };
  },

  async first({ path, times }) {
    const waits = [];
    const cpu = cpuSeconds();
    for (let i = 0; i < times; i += 1) {
      const began = performance.now();
      const { stream, output } = streamFlow({ url: `${url}/${path}`, input: 1 });
      const chunks = stream[Symbol.asyncIterator]();
      await chunks.next();
      waits.push((performance.now() - began) / 1e3);
      while (!(await chunks.next()).done);
      await output;
    }
    return { waits, cpu: cpuSeconds() - cpu };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  console.log(JSON.stringify(await orders[order.do](order)));
}
process.exit(0); // connections that are kept alive would hold it
