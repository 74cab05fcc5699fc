// A driver for hardware that Sinew does not know: `bun examples/custom-driver.ts http://127.0.0.1:1337` joins that agent.
import { createDriver, type DriverDevice, type DriverTier } from "sinew";

/** Asks the hardware, by whatever library or file tells; `uuid` is the least, and must stay the same for one card. */
async function discover(): Promise<DriverDevice[]> {
  return [
    {
      uuid: "6f1e2d3c-4b5a-4678-9abc-def012345678",
      name: "Example crypto card",
      acc_specs: { remote: 0, num: 1, device_type: "CRYPTO", acc_capability: { ipsec: { aes: { num: 50 } } } },
      acc_status: { setup_required: false, reboot_required: false, ready: true },
    },
  ];
}

// The agent calls back, so it has to be told an address: listen first, then make the driver with what was got.
let driver: DriverTier | undefined;
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: process.env.PORT ?? 0,
  fetch: (request) => driver?.fetch(request) ?? new Response("starting", { status: 503 }),
});
const endpoint = server.url.origin;
// What `sinew token create --role driver --driver example` printed at the agent; an agent with --auth open wants none.
const token = process.env.DRIVER_TOKEN;
driver = await createDriver({
  // The agent shows no credential when it calls back, and only this host reaches the listener.
  auth: "open",
  ...(token === undefined ? {} : { pass: async () => token }),
  name: "example",
  type: "CRYPTO",
  discover,
  endpoint,
  agent: process.argv[2],
});
await driver.start(); // discovers, then says hello to the agent and keeps its lease
console.log(`ready on ${endpoint}`);

process.once("SIGTERM", async () => {
  await driver?.stop(); // says LEAVING, so that nobody takes it for a failure
  process.exit(0);
});
