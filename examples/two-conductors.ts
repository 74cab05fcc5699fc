// Two fleets in one process, a database each: `bun examples/two-conductors.ts /tmp`. Nothing in Sinew is global.
import { join } from "node:path";
import { createConductor, openDatabase, type Tier } from "sinew";

const folder = process.argv[2] ?? ".";
const fleets: Record<string, { tier: Tier; close(): Promise<void> }> = {};
for (const name of ["edge", "lab"]) {
  const db = await openDatabase(`sqlite:${join(folder, `${name}.sqlite`)}`);
  const tier = await createConductor({ auth: "open", db, basePath: `/${name}` });
  await tier.start();
  fleets[name] = {
    tier,
    async close() {
      await tier.stop();
      await db.close();
    },
  };
}

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: process.env.PORT ?? 1336,
  fetch(request, server) {
    const url = new URL(request.url);
    const [, name = "", ...rest] = url.pathname.split("/");
    const fleet = Object.hasOwn(fleets, name) ? fleets[name] : undefined;
    if (!fleet) return new Response(`There are ${Object.keys(fleets).join(" and ")} here\n`, { status: 404 });
    url.pathname = `/${rest.join("/")}`; // a tier knows nothing of where it hangs
    // Without it a tier does not know that an agent is on this host, and calls no address that it names.
    const remoteAddress = server.requestIP(request)?.address ?? null;
    return fleet.tier.fetch(new Request(url.href, request), { remoteAddress });
  },
});
console.log(`ready on ${server.url.origin}`);

process.once("SIGTERM", async () => {
  await server.stop();
  for (const fleet of Object.values(fleets)) await fleet.close();
  process.exit(0);
});
