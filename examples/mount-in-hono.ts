// A node's agent inside a web application that is there already:
// `OPERATOR_TOKEN=operator.SECRET bun examples/mount-in-hono.ts`. Who shows that token may call everything.
import { Hono } from "hono";
import { createAgent, createDriver, IN_PROCESS } from "sinew";

const port = Number(process.env.PORT ?? 8080);
const app = new Hono();
// Without one nobody gets in: there is no default that everybody knows.
const auth = { operatorToken: process.env.OPERATOR_TOKEN ?? null };

const server = Bun.serve({ hostname: "127.0.0.1", port, fetch: app.fetch });

const cards = await createDriver({
  auth,
  name: "cards",
  type: "FPGA",
  discover: async () => [{ uuid: "0d9c1a52-7be1-4f0e-8a5f-3f1f0c6b7a11", name: "Example FPGA" }],
});
const agent = await createAgent({
  auth,
  // A node keeps its id for ever: read it from where the application keeps such things.
  node: { id: "4c1b7a3e-90a5-4d0f-b1f4-2f1f5a6b7c8d", name: "node-1" },
  drivers: [cards],
  // Where it hangs, for the links in /doc and /reference, and as it is announced to a conductor.
  basePath: "/accelerators",
  endpoint: `${server.url.origin}/accelerators`,
});
app.mount("/accelerators", (request) => agent.fetch(request));
// The application's own pages need no token. Never say this of a request that came from outside.
app.get("/", async (c) => {
  const answer = await agent.fetch(new Request("http://localhost/hardware"), { caller: IN_PROCESS });
  const { hardware } = (await answer.json()) as { hardware: unknown[] };
  return c.text(`Accelerators in this machine: ${hardware.length}; see /accelerators/hardware`);
});
await agent.start();
console.log(`ready on ${server.url.origin}/accelerators`);

process.once("SIGTERM", async () => {
  await agent.stop();
  process.exit(0);
});
