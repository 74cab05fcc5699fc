import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { withoutProxies } from "../../src/cli/host/proxy.ts";
import { FleetHardwareList } from "../../src/contract/hardware.ts";
import { endAll, startSinew, until } from "../support/process.ts";
import { syntheticHost } from "../support/tree.ts";

const home = mkdtempSync(join(tmpdir(), "sinew-proxy-"));
const tree = syntheticHost(5);
afterAll(async () => {
  await endAll();
  tree.close();
  rmSync(home, { recursive: true });
});

test("withoutProxies() takes proxy variables out, names them once, and leaves the rest", () => {
  const env: Record<string, string | undefined> = { http_proxy: "http://a:1", HTTPS_PROXY: "b", NO_PROXY: "*", x: "y" };
  const logged: unknown[] = [];
  withoutProxies(env, (...line) => logged.push(line));
  withoutProxies(env, (...line) => logged.push(line));
  expect(env).toEqual({ NO_PROXY: "*", x: "y" });
  expect(logged).toEqual([["info", expect.any(String), { ignored: ["http_proxy", "HTTPS_PROXY"] }]]);
});

test("tiers reach each other where the environment names a proxy that is dead", async () => {
  // Port 9 (discard) has nobody behind it here.
  const proxies = {
    HTTP_PROXY: "http://127.0.0.1:9",
    http_proxy: "http://127.0.0.1:9",
    ALL_PROXY: "http://127.0.0.1:9",
  };
  const conductor = await startSinew(["--role", "conductor", "--state", join(home, "conductor")], proxies);
  const up = ["--conductor", conductor.url, "--state", join(home, "agent"), "--sysfs", tree.sysfs];
  await startSinew(["--role", "agent", ...up], proxies);
  await until(async () => {
    const answer = await fetch(`${conductor.url}/hardware`, { proxy: "" });
    return FleetHardwareList.parse(await answer.json()).hardware.length === 4;
  });
});
