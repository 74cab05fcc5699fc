// Run by deno.test.ts: the library by its package name, in a plain Deno.serve.
import { createDriver } from "sinew";
import { deno } from "../../src/deno.ts";

const driver = await createDriver({
  auth: "open",
  name: "embedded",
  type: "FPGA",
  discover: async () => [{ uuid: "0d9c1a52-7be1-4f0e-8a5f-3f1f0c6b7a11" }],
});
await driver.start();
const server = deno()?.serve(
  { hostname: "127.0.0.1", port: 0, signal: new AbortController().signal, onListen: () => {} },
  (request) => driver.fetch(request),
);
console.log(`ready on http://127.0.0.1:${server?.addr.port}`);
