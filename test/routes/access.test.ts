import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRoute, OpenAPIHono } from "@hono/zod-openapi";
import { admits, type Caller, type CallerRole } from "../../src/auth/caller.ts";
import { memoryTokens, newSecret, newTokenId, sha256, type Token } from "../../src/auth/token.ts";
import { createAgent, createConductor, createDriver, openDatabase, type Tier } from "../../src/index.ts";
import { checkGuards } from "../../src/routes/access/guard.ts";
import { type Listener, listen } from "../../src/serve.ts";
import { NODE, quiet } from "../support/tiers.ts";

const CALLERS: readonly CallerRole[] = [
  "viewer",
  "operator",
  "admin",
  "metrics",
  "driver",
  "join",
  "agent",
  "above",
  "anyone",
];
const TOKENS = ["viewer", "operator", "admin", "metrics", "driver", "agent"] as const;
const TIERS = ["driver", "agent", "conductor"] as const;
const OPERATOR = `operator.${newSecret()}`;
const METHODS = new Set(["get", "post", "put", "delete", "patch", "head", "options", "trace"]);

interface Operation {
  security?: { bearer?: CallerRole[] }[];
}
interface Row {
  method: string;
  path: string;
  /** Null: anyone, a stranger too. */
  roles: CallerRole[] | null;
}

let tiers: Record<(typeof TIERS)[number], Tier>;
let rows: Record<(typeof TIERS)[number], Row[]>;
let clean = async () => {};
/** What a token of this role is shown as. */
const credentials = new Map<string, string>();

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), "sinew-access-"));
  const db = await openDatabase(`sqlite:${join(folder, "sinew.sqlite")}`);
  const kept: Token[] = [];
  for (const role of TOKENS) {
    const [id, secret] = [newTokenId(), newSecret()];
    const rest = { name: null, bound_to: null, created_at: new Date().toISOString(), expires_at: null };
    kept.push({ id, role, hash: await sha256(secret), uses_left: null, ...rest });
    credentials.set(role === "agent" ? "join" : role, `${id}.${secret}`);
  }
  const auth = () => ({ operatorToken: OPERATOR, tokens: memoryTokens(kept) });
  const common = () => ({ auth: auth(), world: quiet() });
  const made = {
    driver: await createDriver({ ...common(), name: "crypto", type: "CRYPTO", discover: async () => [] }),
    agent: await createAgent({ ...common(), node: NODE }),
    conductor: await createConductor({ ...common(), db, invite: (credential) => `join ${credential}` }),
  };
  tiers = made;
  for (const tier of TIERS) await made[tier].start();
  rows = { driver: await table(made.driver), agent: await table(made.agent), conductor: await table(made.conductor) };
  clean = async () => {
    for (const tier of TIERS) await made[tier].stop();
    await db.close();
    await rm(folder, { recursive: true });
  };
});
afterAll(() => clean());

/** Every route of the tier's document, and who may call it. */
async function table(tier: Tier): Promise<Row[]> {
  const document = (await (await tier.fetch(new Request("http://localhost/doc"))).json()) as {
    paths: Record<string, Record<string, Operation>>;
  };
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([method]) => METHODS.has(method))
      .map(([method, { security }]) => {
        if (!security) throw new Error(`${method} ${path} does not say who may call it`);
        const [first] = security;
        return { method: method.toUpperCase(), path, roles: first ? (first.bearer ?? []) : null };
      }),
  );
}

const at = (path: string) => path.replaceAll(/\{[^}]+\}/g, "00000000-0000-4000-8000-000000000000");
const ask = async (
  tier: Tier,
  { method, path }: Pick<Row, "method" | "path">,
  who: { caller?: Caller; bearer?: string },
) => {
  const headers = new Headers(who.bearer === undefined ? {} : { authorization: `Bearer ${who.bearer}` });
  const request = new Request(`http://localhost${at(path)}`, { method, headers });
  return (await tier.fetch(request, { remoteAddress: "127.0.0.1", ...(who.caller ? { caller: who.caller } : {}) }))
    .status;
};
const callerOf = (role: CallerRole): Caller => ({ role, name: role });

/** What the table says of the answer: only that the gate lets it through, or with which status it does not. */
const expected = (row: Row, role: CallerRole | null): string => {
  if (row.path === "/link") return "401";
  if (row.roles === null) return "in";
  if (role === null) return "401";
  return admits(row.roles, role) ? "in" : "403";
};
const seen = (status: number): string => (status === 401 || status === 403 ? String(status) : "in");

describe.each(TIERS)("who may do what at the %s", (name) => {
  test("is said by every route of its document, and is what is answered: role by role", async () => {
    expect(rows[name].length).toBeGreaterThan(5);
    const wanted: string[] = [];
    const found: string[] = [];
    for (const row of rows[name]) {
      for (const role of CALLERS) {
        wanted.push(`${row.method} ${row.path} ${role}: ${expected(row, role)}`);
        found.push(
          `${row.method} ${row.path} ${role}: ${seen(await ask(tiers[name], row, { caller: callerOf(role) }))}`,
        );
      }
    }
    expect(found).toEqual(wanted);
  });

  test("is nothing for a stranger, but what anybody may read", async () => {
    const bad = [undefined, "", "x", `${newTokenId()}.${newSecret()}`, `operator.${newSecret()}`, "a.b.c", "null"];
    for (const row of rows[name]) {
      for (const bearer of bad) {
        const status = await ask(tiers[name], row, bearer === undefined ? {} : { bearer });
        expect(`${row.method} ${row.path} ${seen(status === 429 ? 401 : status)}`).toBe(
          `${row.method} ${row.path} ${expected(row, null)}`,
        );
      }
    }
  });

  test("is the same for a method that a route does not have, and for a path that no route has", async () => {
    const strange = ["PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "POST", "GET", "PROPFIND", "FOO"];
    for (const path of [...rows[name].map((row) => row.path), "/", "/nothing", "/hardware/", "//hardware"]) {
      const open = rows[name].some((row) => row.path === path && (row.roles === null || path === "/link"));
      for (const method of strange) {
        const status = await ask(tiers[name], { method, path }, {});
        if (!open) expect(`${method} ${path} ${status}`).toBe(`${method} ${path} 401`);
        else expect(status).not.toBe(500);
      }
    }
  });

  test("is spelt in one way: paths that only look like an open one are not", async () => {
    const open = ["/healthz", "/readyz", "/doc", "/reference"];
    const around = (path: string) => [
      `${path}/`,
      `${path}//`,
      `${path}%00`,
      `${path}%0a`,
      `${path}%2f..%2fhardware`,
      `${path};/hardware`,
      `${path}/../hardware`,
      `${path}/%2e%2e/hardware`,
      path.toUpperCase(),
      `/${path}`,
      `/hardware#${path}`,
      `/hardware?${path}`,
      `/hardware;${path}`,
      `/nodes/..%2f..${path}`,
    ];
    for (const path of open.flatMap(around)) {
      const status = await ask(tiers[name], { method: "GET", path }, {});
      // /reference/FILE is open, and has no file of such a name.
      expect(`${path} ${path.startsWith("/reference/") && status === 404 ? 401 : status}`).toBe(`${path} 401`);
    }
  });
});

describe("a token over HTTP", () => {
  const listeners: Listener[] = [];
  afterAll(() => Promise.all(listeners.map((listener) => listener.stop({ graceMs: 100 }))));

  test.each(TIERS)("has the rights of its role at the %s, and no others", async (name) => {
    const listener = await listen({ host: "127.0.0.1", port: 0 }, (request, env) => tiers[name].fetch(request, env));
    listeners.push(listener);
    const wanted: string[] = [];
    const found: string[] = [];
    for (const row of rows[name]) {
      for (const [role, bearer] of [...credentials, ["admin", OPERATOR]] as [CallerRole, string][]) {
        const { status } = await fetch(`${listener.url}${at(row.path)}`, {
          method: row.method,
          headers: { authorization: `Bearer ${bearer}` },
        });
        wanted.push(`${row.method} ${row.path} ${role}: ${expected(row, role)}`);
        found.push(`${row.method} ${row.path} ${role}: ${seen(status)}`);
      }
    }
    expect(found).toEqual(wanted);
  });
});

test("the bytes of GET /hardware that are kept are for those who may read, whatever was answered before", async () => {
  const get = (bearer?: string) => ask(tiers.conductor, { method: "GET", path: "/hardware" }, bearer ? { bearer } : {});
  for (let turn = 0; turn < 2; turn += 1) {
    expect(await get(credentials.get("viewer"))).toBe(200);
    expect(await get()).toBe(401);
    expect([401, 429]).toContain(await get(`${newTokenId()}.${newSecret()}`));
    for (const role of ["metrics", "driver", "join"]) expect(await get(credentials.get(role))).toBe(403);
  }
});

test("checkGuards() refuses an app with a route that does not say who may call it", () => {
  const app = new OpenAPIHono();
  const route = createRoute({ method: "get", path: "/secret", responses: { 204: { description: "Nothing" } } });
  app.openapi(route, (c) => c.body(null, 204));
  expect(() => checkGuards(app as never)).toThrow("get /secret declares no roles");
});
