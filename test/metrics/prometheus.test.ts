import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Subprocess } from "bun";
import { freePort } from "../support/ports.ts";
import { endAll, sinew, startSinew, until } from "../support/process.ts";
import { startAgent } from "../support/tiers.ts";

const contrib = join(import.meta.dir, "../../contrib/prometheus");
const prometheus = Bun.which("prometheus") ?? "";
const promtool = Bun.which("promtool") ?? "";
const folder = mkdtempSync(join(tmpdir(), "sinew-metrics-"));
const children: Subprocess[] = [];
afterAll(async () => {
  for (const child of children) child.kill("SIGKILL");
  await Promise.all(children.map((child) => child.exited));
  await endAll();
  rmSync(folder, { recursive: true });
});

async function promtoolSays(args: string[], input = ""): Promise<{ code: number; output: string }> {
  const child = Bun.spawn([promtool, ...args], { stdin: new Blob([input]), stdout: "pipe", stderr: "pipe" });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, output: out + err };
}

describe.skipIf(promtool === "")("what comes with it for Prometheus", () => {
  test("rules that fire when they are to", async () => {
    const { code, output } = await promtoolSays(["test", "rules", join(contrib, "sinew-alerts.test.yml")]);
    expect([code, output]).toEqual([0, expect.stringContaining("SUCCESS")]);
  });
  test("a configuration that it takes", async () => {
    const { code, output } = await promtoolSays(["check", "config", "--syntax-only", join(contrib, "prometheus.yml")]);
    expect([code, output]).toEqual([0, expect.stringContaining("SUCCESS")]);
  });
});

describe.skipIf(promtool === "")("promtool", () => {
  test("finds nothing to say of what an agent and a driver tell", async () => {
    const agent = await startAgent();
    const texts = ["/metrics", "/drivers/crypto/metrics"].map(async (path) => (await fetch(agent.url + path)).text());
    for (const text of await Promise.all(texts))
      expect(await promtoolSays(["check", "metrics"], text)).toEqual({ code: 0, output: "" });
    await agent.stop();
  });
});

describe.skipIf(prometheus === "" || promtool === "")("a real Prometheus", () => {
  test("scrapes a conductor with a token for metrics alone, and promtool finds nothing to say of them", async () => {
    const state = join(folder, "state");
    const running = await startSinew(["--auth", "required", "--state", state]);
    const made = await sinew(["token", "create", "--role", "metrics", "--state", state]);
    const token = made.trim().split(/\s+/).at(-1) ?? "";
    const headers = { authorization: `Bearer ${token}` };
    expect((await fetch(`${running.url}/hardware`, { headers })).status).toBe(403);
    expect((await fetch(`${running.url}/metrics`)).status).toBe(401);
    const text = await (await fetch(`${running.url}/metrics`, { headers })).text();
    expect(await promtoolSays(["check", "metrics"], text)).toEqual({ code: 0, output: "" });

    writeFileSync(join(folder, "token"), token, { mode: 0o600 });
    const config = join(folder, "prometheus.yml");
    const target = running.url.replace("http://", "");
    writeFileSync(
      config,
      [
        "global: { scrape_interval: 1s }",
        "scrape_configs:",
        "  - job_name: sinew",
        `    authorization: { credentials_file: ${join(folder, "token")} }`,
        `    static_configs: [{ targets: ["${target}"] }]`,
        `rule_files: ["${join(contrib, "sinew-alerts.yml")}"]`,
      ].join("\n"),
    );
    const at = `http://127.0.0.1:${await freePort()}`;
    children.push(
      Bun.spawn(
        [
          ...[prometheus, `--config.file=${config}`, `--storage.tsdb.path=${join(folder, "data")}`],
          `--web.listen-address=${at.slice("http://".length)}`,
        ],
        { stdout: "ignore", stderr: "ignore" },
      ),
    );
    const value = async (query: string) => {
      const answer = await fetch(`${at}/api/v1/query?query=${encodeURIComponent(query)}`).catch(() => null);
      const body = answer?.ok ? ((await answer.json()) as { data: { result: { value: [number, string] }[] } }) : null;
      return body?.data.result[0]?.value[1];
    };
    await until(async () => (await value('up{job="sinew"}')) === "1");
    await until(async () => (await value('sinew_nodes{state="LIVE"}')) === "1");
    expect(await value('sinew_nodes{state="LOST"}')).toBe("0");
    expect(await value("sinew_database_up")).toBe("1");
    const rules = (await (await fetch(`${at}/api/v1/rules`)).json()) as {
      data: { groups: { rules: { name: string; health: string }[] }[] };
    };
    await until(async () => (await value("sinew_build_info")) === "1");
    expect(rules.data.groups.flatMap((group) => group.rules).length).toBeGreaterThan(5);
  });
});
