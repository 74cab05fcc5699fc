import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { AuditEntry } from "../../src/contract/access/audit.ts";
import { cleanEnv, run } from "../cli/run.ts";
import { databases } from "../support/databases.ts";
import { until } from "../support/process.ts";
import { makeTree } from "../support/tree.ts";
import { askToJoin, falseAgent, helloOf, makeLab, newKey, type Started } from "./support.ts";

/** Clears a screen, sets a window's title, by 7 and by 8 bits; turns the reading direction; is a page of its own. */
const EVIL = "\u001b[2J\u001b]0;owned\u0007\u009b2J\u202e</script><img src=x onerror=alert(1)>";
/** What moves a cursor, and what turns the reading direction; the end of a line is none. */
const CONTROL = /(?!\n)[\p{Cc}\p{Cf}]/u;
/** What JSON's text has escapes for. */
const C0 = new RegExp(`[${String.fromCharCode(0)}-${String.fromCharCode(31)}]`);

describe("what peers and hardware say", () => {
  const lab = makeLab();
  const tree = makeTree();
  const env = cleanEnv(lab.home);
  let conductor: Started;
  let json: Started;

  beforeAll(async () => {
    tree.add({ address: "0000:3b:00.0", vendor: "10de", device: "2331", class: "030200", label: EVIL, slot: "7" });
    [conductor, json] = await Promise.all([
      lab.startConductor("c"),
      lab.start("all", "a", ["--sysfs", tree.sysfs, "--drivers", "gpu", "--log-format", "json"]),
    ]);
  });
  afterAll(async () => {
    await lab.close();
    tree.close();
  });

  test("reaches no terminal as it is: not in the table of start, of scan, of tokens, nor in text logs", async () => {
    await lab.makeToken(conductor, { role: "viewer", name: EVIL });
    await lab.makeToken(conductor, { role: "agent", bound_to: EVIL });
    const node = { id: crypto.randomUUID(), name: "n1", key: await newKey() };
    const { credential } = await lab.makeToken(conductor, { role: "agent" });
    expect((await askToJoin(lab, conductor, credential, { ...node, name: EVIL })).status).toBe(400);
    expect((await askToJoin(lab, conductor, credential, node)).status).toBe(200);
    const problem = { detail: EVIL };
    const agent = falseAgent(lab, conductor, { ...node, answer: () => Response.json(problem, { status: 500 }) });
    await agent.up;
    expect((await agent.ask("/hello", { ...helloOf(node.id, "n1"), name: EVIL })).status).toBe(400);
    expect((await agent.ask("/hello", { ...helloOf(node.id, "n1"), boot_id: EVIL })).status).toBe(200);
    await until(() => /did not answer/.test(conductor.log()));
    const list = await run(["token", "list", "--state", lab.path("c")], env);
    expect([list.code, list.out.split("\n").length]).toEqual([0, 5]);
    const scan = await run(["scan", "--sysfs", tree.sysfs], env);
    expect(scan.out).toContain("0000:3b:00.0");
    for (const text of [list.out, list.err, scan.out, conductor.output, conductor.log(), json.output]) {
      expect(text).not.toMatch(CONTROL);
    }
    agent.stop();
  });

  test("is in the API in JSON's escapes, and in no page", async () => {
    for (const path of ["/agent/hardware", "/hardware", "/tokens", "/audit"]) {
      const answer = await lab.ask(json, path);
      expect(answer.headers.get("content-type")).toBe("application/json");
      expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
      expect(await answer.text()).not.toMatch(C0);
    }
    for (const mount of ["", "/agent", "/drivers/gpu"]) {
      const page = await lab.ask(json, `${mount}/reference`, { token: undefined });
      expect(page.headers.get("content-security-policy")).toContain("default-src 'self'");
      expect(await page.text()).not.toMatch(/onerror|owned/);
    }
    for (const path of [`/${EVIL}`, "/<script>", "/hardware?limit=<script>"]) {
      const answer = await lab.ask(json, path.replaceAll(/[^\u0021-\u007e]/g, encodeURIComponent));
      expect(answer.headers.get("content-type")).toBe("application/problem+json");
      expect(await answer.text()).not.toMatch(C0);
    }
  });

  test("by whoever took a tier's port reaches no operator's terminal, nor a shell, and ends", async () => {
    const answers = [
      () => Response.json({ detail: EVIL }, { status: 500 }),
      () => Response.json({ join: `x; ${EVIL}`, credential: "x" }, { status: 201 }),
      () => new Response(EVIL),
      () => Response.json({ tokens: EVIL }),
      () => Response.json({ tokens: [{ id: EVIL, role: EVIL, name: EVIL, bound_to: EVIL, expires_at: EVIL }] }),
    ];
    let answer: () => Response = () => new Response();
    const squatter = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => answer() });
    for (const one of answers) {
      answer = one;
      const where = ["--url", squatter.url.origin, "--state", lab.path("c")];
      for (const command of ["create", "list"]) {
        const { out, err } = await run(["token", command, ...where], env);
        expect(out + err).not.toMatch(CONTROL);
        if (command === "create") expect(out).toBe("");
        expect(err).not.toContain("a bug");
      }
    }
    await squatter.stop(true);
  });
});

describe.each(databases)("the audit trail on $name", ({ name, open }) => {
  const flood = name === "sqlite" ? 1_000 : 500;
  const lab = makeLab();
  let database: Awaited<ReturnType<typeof open>>;
  let conductor: Started;

  beforeAll(async () => {
    database = await open();
    conductor = await lab.startConductor("c", ["--db", database.url, "--log-format", "json"]);
  });
  afterAll(async () => {
    await lab.close();
    await database.close();
  });
  const trail = async (at = conductor) => {
    const { audit } = (await (await lab.ask(at, "/audit?limit=1000")).json()) as { audit: unknown[] };
    return audit.map((entry) => AuditEntry.parse(entry));
  };

  test("says of each write who did what, from where, with what outcome", async () => {
    const { credential, id } = await lab.makeToken(conductor, { role: "operator", name: "night shift" });
    expect(await lab.status(conductor, "/discovery", { token: credential, method: "POST" })).toBe(202);
    expect(await lab.status(conductor, `/tokens/${id}`, { method: "DELETE" })).toBe(204);
    const written = (await trail())
      .filter(({ kind }) => kind === "write")
      .map(({ method, path, caller, role, address, status }) => [method, path, caller, role, address, status]);
    expect(written).toEqual([
      ["DELETE", `/tokens/${id}`, "operator.token", "admin", "127.0.0.1", 204],
      ["POST", "/discovery", `token ${id} (night shift)`, "operator", "127.0.0.1", 202],
      ["POST", "/tokens", "operator.token", "admin", "127.0.0.1", 201],
    ]);
  });

  test("counts a flood of refusals in a handful of lines, and survives a restart", async () => {
    const before = (await trail()).length;
    const { credential } = await lab.makeToken(conductor, { role: "viewer" });
    for (let turn = 0; turn < flood / 250; turn += 1) {
      const asked = Array.from({ length: 250 }, (_, one) =>
        lab.status(
          conductor,
          `/${turn}/${one}`,
          one % 5 === 0
            ? { token: "0.0" }
            : one % 5 === 1
              ? { token: credential, method: "POST", body: {} }
              : { token: undefined },
        ),
      );
      await Promise.all(asked);
    }
    const all = await trail();
    expect(all.length - before).toBeLessThanOrEqual(12);
    const refused = all.filter(({ kind }) => kind === "refusal");
    expect(refused.reduce((sum, { count }) => sum + count, 0)).toBe(flood);
    expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(["unauthorized", "rate_limited", null]));
    expect(await conductor.stop("SIGTERM")).toBe(0);
    conductor = await lab.startConductor("c", ["--db", database.url, "--log-format", "json"]);
    expect(await trail()).toEqual(all);
  });

  test("holds no secret, nor does the log", async () => {
    const text = JSON.stringify(await trail()) + lab.said();
    for (const secret of lab.secrets)
      expect([secret.slice(0, 12), text.includes(secret)]).toEqual([secret.slice(0, 12), false]);
  });
});
