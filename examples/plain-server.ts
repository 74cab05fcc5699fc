// A fleet's conductor in a plain Bun.serve: `bun examples/plain-server.ts sqlite:/tmp/fleet.sqlite` (or postgres://...).
import { createConductor, openDatabase } from "sinew";

const db = await openDatabase(process.argv[2] ?? "sqlite:fleet.sqlite");
const conductor = await createConductor({ auth: "open", db });

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: process.env.PORT ?? 1336,
  fetch: (request, server) =>
    conductor.fetch(request, {
      // Lets an agent announce `:1337` and be found at the address that it called from.
      remoteAddress: server.requestIP(request)?.address ?? null,
      // Bun closes a silent connection after 10 s; `Prefer: wait=60` needs longer.
      extend: (seconds) => server.timeout(request, seconds),
    }),
});
await conductor.start();
console.log(`ready on ${server.url.origin}`);

process.once("SIGTERM", async () => {
  await server.stop(); // answers what is in flight
  await conductor.stop();
  await db.close();
  process.exit(0);
});
