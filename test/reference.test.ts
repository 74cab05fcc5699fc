import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { endAll, startSinew } from "./support/process.ts";

const chromium = Bun.which("chromium") ?? Bun.which("google-chrome");
const home = mkdtempSync(join(tmpdir(), "sinew-reference-"));
afterAll(async () => {
  await endAll();
  rmSync(home, { recursive: true, force: true });
});

interface NetLog {
  events: { params?: { url?: string; initiator?: string } }[];
}

test.skipIf(!chromium)("the reference page shows the API in a browser and asks nobody outside", async () => {
  const { url } = await startSinew(["--role", "conductor", "--state", join(home, "state")]);
  const log = join(home, "net.json");
  const browser = Bun.spawn(
    [
      chromium ?? "",
      ...["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--virtual-time-budget=10000"],
      ...[`--user-data-dir=${join(home, "browser")}`, `--log-net-log=${log}`, "--dump-dom", `${url}/reference`],
    ],
    { stdout: "pipe", stderr: "ignore" },
  );
  const page = await new Response(browser.stdout).text();
  await browser.exited;
  for (const path of ["/hello", "/discovery", "/hardware", "/changes"]) expect(page).toContain(`data-path="${path}"`);

  const { events } = (await Bun.file(log).json()) as NetLog;
  // The browser calls home by itself; what the page asked for has the page as its initiator.
  const asked = new Set(events.flatMap(({ params }) => (params?.initiator === url && params.url ? [params.url] : [])));
  expect(asked.size).toBeGreaterThanOrEqual(4);
  for (const one of asked) expect(one.startsWith(`${url}/`)).toBe(true);
});
