import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { endAll, startSinew } from "../support/process.ts";
import { makeTree } from "../support/tree.ts";

const home = mkdtempSync(join(tmpdir(), "sinew-roles-"));
const tree = makeTree();
afterAll(async () => {
  await endAll();
  tree.close();
  rmSync(home, { recursive: true, force: true });
});

test("role all is ready when its conductor serves the first scan, and mounts agent and drivers below it", async () => {
  const gpu = { vendor: "10de", device: "2331", class: "030200" };
  tree.add({ address: "0000:17:00.0", ...gpu, driver: "nvidia" });
  const { url, output } = await startSinew(["--state", home, "--sysfs", tree.sysfs]);
  expect(output.trimEnd().split("\n").at(-1)).toBe(`sinew all ready on ${url}`);
  for (const path of ["/hardware", "/agent/hardware", "/drivers/gpu/hardware", "/agent/drivers/gpu/hardware"]) {
    const { hardware } = (await (await fetch(`${url}${path}`)).json()) as { hardware: { name: string }[] };
    expect([path, hardware.length]).toEqual([path, 1]);
  }
  for (const path of ["/readyz", "/agent/readyz", "/drivers/gpu/readyz", "/agent/doc", "/drivers/gpu/reference"]) {
    expect([path, (await fetch(`${url}${path}`)).status]).toEqual([path, 200]);
  }
  const accepted = await fetch(`${url}/agent/discovery`, { method: "POST" });
  expect(accepted.headers.get("location")).toMatch(/^\/agent\/operations\/[0-9a-f-]{36}$/);
  expect((await fetch(new URL(accepted.headers.get("location") ?? "", url))).status).toBe(200);
});
