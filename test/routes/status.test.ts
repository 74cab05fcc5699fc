import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { ChangeList } from "../../src/contract/change.ts";
import { AlarmList } from "../../src/contract/fleet/alarm.ts";
import { DeliveryList } from "../../src/contract/fleet/delivery.ts";
import { Window, WindowList } from "../../src/contract/fleet/window.ts";
import { FleetHardwareList, Hardware, HardwareList } from "../../src/contract/hardware.ts";
import { Registered } from "../../src/contract/hello.ts";
import { NodeList } from "../../src/contract/node.ts";
import { Accepted, Operation } from "../../src/contract/operation.ts";
import type { ProblemCode } from "../../src/contract/problem.ts";
import { Problem } from "../../src/contract/problem-schema.ts";
import { VERSION_HEADER } from "../../src/contract/version.ts";
import type { Tier } from "../../src/index.ts";
import { CARD, NODE, until } from "../support/tiers.ts";
import { ask, makeTiers, post, type Tiers } from "./support.ts";

let tiers: Tiers;
const ROLES = ["driver", "agent", "conductor"] as const;
const ABSENT = "00000000-0000-4000-8000-000000000000";
const HELLO = { status: "READY", endpoint: "http://agent.test:1337" };

beforeAll(async () => {
  tiers = await makeTiers();
  await post(tiers.conductor, "/hello", { ...HELLO, node: NODE, api: { min: "1.0", max: "1.0" } });
  await until("the agent's hardware at the conductor", async () => {
    const list = FleetHardwareList.parse(await (await ask(tiers.conductor, "/hardware")).json());
    return list.hardware.length === 3;
  });
});
afterAll(() => tiers.close());

/** The answer is this problem, as RFC 9457 and the contract want it. */
async function expectProblem(answer: Response | Promise<Response>, status: number, code: ProblemCode) {
  const response = await answer;
  const problem = Problem.parse(await response.json());
  expect([response.status, problem.status, problem.code]).toEqual([status, status, code]);
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  expect(response.headers.get(VERSION_HEADER)).toBe("1.0");
  expect(problem.request_id).not.toBe("");
  return { response, problem };
}

describe.each(ROLES)("the %s's routes", (role) => {
  let tier: Tier;
  beforeAll(() => {
    tier = tiers[role];
  });

  test("GET /hardware answers 200 with its schema, and 304 to its tag", async () => {
    const response = await ask(tier, "/hardware");
    expect(response.status).toBe(200);
    const list = (role === "conductor" ? FleetHardwareList : HardwareList).parse(await response.json());
    expect(list.hardware).toHaveLength(role === "driver" ? 2 : 3);
    const tag = response.headers.get("etag") ?? "";
    expect(tag).toBe(`W/"${list.generation}"`);
    for (const sent of [tag, `"other", ${tag}`, tag.slice(2), "*"]) {
      const again = await ask(tier, "/hardware", { headers: { "if-none-match": sent } });
      expect([again.status, await again.text()]).toEqual([304, ""]);
    }
    expect((await ask(tier, "/hardware", { headers: { "if-none-match": 'W/"other"' } })).status).toBe(200);
  });

  test("GET /hardware in pages is GET /hardware", async () => {
    const all = HardwareList.parse(await (await ask(tier, "/hardware?limit=1000")).json());
    const walked: string[] = [];
    let token: string | undefined;
    do {
      const query = token === undefined ? "" : `&page_token=${encodeURIComponent(token)}`;
      const page = HardwareList.parse(await (await ask(tier, `/hardware?limit=1${query}`)).json());
      expect(page.hardware).toHaveLength(1);
      walked.push(...page.hardware.map(({ source, uuid }) => `${source} ${uuid}`));
      token = page.next_page_token;
    } while (token !== undefined);
    expect(walked).toEqual(all.hardware.map(({ source, uuid }) => `${source} ${uuid}`));
  });

  test.each([
    "/hardware?limit=0",
    "/hardware?limit=1001",
    "/hardware?limit=1&limit=2",
    "/hardware?limit=x",
    "/hardware?page_token=",
    "/hardware?page_token=%00%ff",
    "/hardware?page_token=AAAA",
    "/hardware?nonsense=1",
    "/hardware/not-a-uuid",
    "/operations/not-a-uuid",
  ])("GET %s is 400 invalid", async (path) => {
    await expectProblem(ask(tier, path), 400, "invalid");
  });

  test.each(["/", "/nothing", `/hardware/${ABSENT}`, `/operations/${ABSENT}`, "/hardware/"])(
    "GET %s is 404",
    async (path) => {
      await expectProblem(ask(tier, path), 404, "not_found");
    },
  );

  test("a method that a resource lacks is 405 with Allow", async () => {
    for (const [method, path, allow] of [
      ["DELETE", "/hardware", "GET, HEAD"],
      ["POST", `/hardware/${ABSENT}`, role === "conductor" ? "DELETE, GET, HEAD, PATCH" : "GET, HEAD"],
      ["GET", "/discovery", "POST"],
      ["PUT", "/healthz", "GET, HEAD"],
      ["PROPFIND", "/doc", "GET, HEAD"],
    ] as const) {
      const { response } = await expectProblem(ask(tier, path, { method }), 405, "method_not_allowed");
      expect([path, response.headers.get("allow")]).toEqual([path, allow]);
    }
  });

  test("HEAD is GET without its body", async () => {
    const response = await ask(tier, "/hardware", { method: "HEAD" });
    expect([response.status, await response.text()]).toEqual([200, ""]);
  });

  test("GET /hardware/{uuid} is the device, or 409 where two sources report it", async () => {
    const found = Hardware.parse(await (await ask(tier, "/hardware/9E45A2EA-5364-4B0D-A252-BF8BECAA606E")).json());
    expect([found.name, found.acc_status.ready]).toEqual(["second", false]);
    if (role === "driver") return;
    const { problem } = await expectProblem(ask(tier, `/hardware/${CARD.uuid}`), 409, "ambiguous_uuid");
    expect(problem.detail).toContain("crypto");
    expect(problem.detail).toContain("twin");
  });

  test("POST /discovery takes nothing, {} and objects under any content type, and its operation ends", async () => {
    const bodies: RequestInit[] = [
      {},
      { body: "{}" },
      { body: '{"status":"IN-PROGRESS"}', headers: { "content-type": "application/json" } },
      { body: " \n", headers: { "content-type": "application/json" } },
      { body: '{"any":[1]}', headers: { "content-type": "application/x-www-form-urlencoded" } },
      { body: new Uint8Array([123, 125]) },
    ];
    for (const init of bodies) {
      const response = await ask(tier, "/discovery", { method: "POST", ...init });
      expect(response.status).toBe(202);
      const { operation } = Accepted.parse(await response.json());
      expect(response.headers.get("location")).toBe(`/operations/${operation}`);
      const ended = await ask(tier, `/operations/${operation}`, { headers: { prefer: "respond-async, wait=10" } });
      expect(Operation.parse(await ended.json()).status).toBe("SUCCEEDED");
    }
  });

  test("POST /discovery with Prefer: wait answers 200 with the finished operation", async () => {
    const response = await post(tier, "/discovery", {}, { prefer: "wait=10" });
    expect(response.status).toBe(200);
    const operation = Operation.parse(await response.json());
    expect(operation.status).toBe("SUCCEEDED");
    expect(operation.children.map(({ found }) => found)).toEqual({ driver: [2], agent: [2, 1], conductor: [3] }[role]);
  });

  test("a second POST /discovery joins the one that runs", async () => {
    const answers = await Promise.all([post(tier, "/discovery", {}), post(tier, "/discovery", {})]);
    const [first, second] = await Promise.all(answers.map(async (answer) => Accepted.parse(await answer.json())));
    expect(first?.operation).toBe(second?.operation ?? "");
    await ask(tier, `/operations/${first?.operation}`, { headers: { prefer: "wait=10" } });
  });

  test.each(["[]", "null", "1", '"text"', "{", "\0"])("POST /discovery with %j is 400", async (body) => {
    await expectProblem(post(tier, "/discovery", body), 400, "invalid");
  });

  test.if(role === "conductor")("a list of 100,000 expected nodes is read, and one above 32 MiB is 413", async () => {
    const put = (nodes: object[]) =>
      ask(tier, "/nodes/expected", {
        method: "PUT",
        body: JSON.stringify({ nodes }),
        headers: { "content-type": "application/json" },
      });
    // Refused for its content, not for its size.
    const twice = Array.from({ length: 100_000 }, (_, n) => ({ name: `node-${n % 99_999}`, id: crypto.randomUUID() }));
    await expectProblem(put(twice), 400, "invalid");
    await expectProblem(put([{ name: "n", labels: { a: "x".repeat(32 * 2 ** 20) } }]), 413, "too_large");
  });

  test("a body above 1 MiB is 413", async () => {
    await expectProblem(post(tier, "/discovery", `{"a":"${"x".repeat(2 ** 20)}"}`), 413, "too_large");
  });

  test("a version that is not spoken is 406, and every answer says which is", async () => {
    for (const version of ["2.0", "0.9", "1", "01.0", "1.0.0", "x", ""]) {
      await expectProblem(
        ask(tier, "/hardware", { headers: { [VERSION_HEADER]: version } }),
        406,
        "version_unsupported",
      );
    }
    for (const path of ["/hardware", "/healthz", "/readyz", "/doc", "/reference"]) {
      const response = await ask(tier, path, { headers: { [VERSION_HEADER]: "1.0" } });
      expect([path, response.status, response.headers.get(VERSION_HEADER)]).toEqual([path, 200, "1.0"]);
    }
  });

  test("/healthz and /readyz name the role and the auth mode", async () => {
    for (const path of ["/healthz", "/readyz"]) {
      expect(await (await ask(tier, path)).json()).toMatchObject({ status: "ok", role, auth: "open" });
    }
  });
});

describe.each(["agent", "conductor"] as const)("POST /hello at the %s", (role) => {
  const say = (body: unknown, headers = {}) => post(tiers[role], "/hello", body, headers);

  test("takes the seed's body and answers REGISTERED, with the same uuid at each renewal", async () => {
    const body = { ...HELLO, endpoint: "seed.test:1337", ...(role === "agent" ? { type: "CRYPTO" } : {}) };
    const first = Registered.parse(await (await say(body)).json());
    const again = Registered.parse(await (await say(body)).json());
    expect(again.uuid).toBe(first.uuid);
    expect(first.lease.ttl_seconds).toBeGreaterThan(0);
    await say({ ...body, status: "LEAVING" });
  });

  test("takes a body without content type for JSON", async () => {
    const body = new TextEncoder().encode(JSON.stringify({ ...HELLO, endpoint: "bare.test:1337", status: "LEAVING" }));
    expect((await ask(tiers[role], "/hello", { method: "POST", body })).status).toBe(200);
  });

  test.each([
    [{ ...HELLO, status: "BUSY" }, "/status"],
    [{ status: "READY" }, "/endpoint"],
    [{ ...HELLO, endpoint: "" }, "/endpoint"],
    [{ ...HELLO, endpoint: "file:///etc/passwd" }, "/endpoint"],
    [{ ...HELLO, endpoint: "http://user:secret@host" }, "/endpoint"],
    [{ ...HELLO, name: "with space" }, "/name"],
    [{ ...HELLO, node: { id: "x" } }, "/node/id"],
    [{ ...HELLO, type: "A\0" }, "/type"],
    [{ ...HELLO, boot_id: "\ud800" }, "/boot_id"],
    [{ ...HELLO, api: { min: "1" } }, "/api/min"],
  ])("refuses %j with 400 at %s", async (body, pointer) => {
    const { problem } = await expectProblem(say(body), 400, "invalid");
    expect(problem.errors?.[0]?.pointer).toBe(pointer);
  });

  test("refuses no body, text that is no JSON, and what is no object, with 400", async () => {
    for (const body of ["", "{", "[]", "null"]) await expectProblem(say(body), 400, "invalid");
    await expectProblem(ask(tiers[role], "/hello", { method: "POST" }), 400, "invalid");
  });

  test("refuses a body that says it is no JSON with 415", async () => {
    await expectProblem(say(HELLO, { "content-type": "text/plain" }), 415, "unsupported_media_type");
  });

  test("refuses a version range that does not meet its own with 409 api_version", async () => {
    const node = { id: "77777777-2222-4333-8444-555555555555", name: "newer" };
    await expectProblem(
      say({ ...HELLO, endpoint: "newer.test:1", node, api: { min: "2.0", max: "3.1" } }),
      409,
      "api_version",
    );
  });
});

describe("the conductor's own routes", () => {
  test("GET /nodes lists nodes by state", async () => {
    const list = NodeList.parse(await (await ask(tiers.conductor, "/nodes?state=LIVE")).json());
    expect(list.nodes.map(({ id }) => id)).toContain(NODE.id);
    expect(NodeList.parse(await (await ask(tiers.conductor, "/nodes?state=LOST")).json()).nodes).toEqual([]);
    await expectProblem(ask(tiers.conductor, "/nodes?state=DEAD"), 400, "invalid");
  });

  test("GET /changes is the feed, and 410 for another history", async () => {
    const list = ChangeList.parse(await (await ask(tiers.conductor, "/changes?limit=1000")).json());
    const revisions = list.changes.map(({ revision }) => revision);
    expect(revisions).toEqual([...revisions].sort((a, b) => a - b));
    expect(list.changes.filter(({ kind }) => kind === "added")).toHaveLength(3);
    const rest = ChangeList.parse(
      await (await ask(tiers.conductor, `/changes?since=${list.revision}&epoch=${list.epoch}`)).json(),
    );
    expect(rest.changes).toEqual([]);
    await expectProblem(ask(tiers.conductor, `/changes?epoch=${ABSENT}`), 410, "epoch");
    await expectProblem(ask(tiers.conductor, `/changes?since=${list.revision + 1000}`), 410, "epoch");
    await expectProblem(ask(tiers.conductor, "/changes?since=-1"), 400, "invalid");
  });

  test.each([
    ["device_type=CRYPTO", 3],
    ["device_type=GPU", 0],
    ["ready=false", 3],
    ["ready=true", 0],
    ["freshness=FRESH", 3],
    ["freshness=GONE", 0],
    [`node=${NODE.id}`, 3],
    [`node=${NODE.name}`, 3],
    ["node=elsewhere", 0],
    ["vendor_id=8086", 0],
  ])("GET /hardware?%s shows %d devices", async (query, count) => {
    const list = FleetHardwareList.parse(await (await ask(tiers.conductor, `/hardware?${query}`)).json());
    expect(list.hardware).toHaveLength(count);
  });
});

test("a page_token of a list that has changed since is 410 too_old at a driver and an agent", async () => {
  const token = btoa("0123456789abcdef 1");
  for (const role of ["driver", "agent"] as const) {
    await expectProblem(ask(tiers[role], `/hardware?page_token=${token}`), 410, "too_old");
  }
});

describe("alarms and maintenance windows", () => {
  const send = (path: string, body: unknown) => post(tiers.conductor, path, body);

  test("GET /alarms and /deliveries answer 200 with their schemas", async () => {
    AlarmList.parse(
      await (await ask(tiers.conductor, "/alarms?state=firing&kind=agent.lost&acknowledged=false")).json(),
    );
    DeliveryList.parse(await (await ask(tiers.conductor, "/deliveries")).json());
    for (const query of ["state=open", "kind=x", "acknowledged=maybe", "page_token=x", "nodes=n1"])
      await expectProblem(ask(tiers.conductor, `/alarms?${query}`), 400, "invalid");
  });

  test("an alarm that is not there is 404, also to be acknowledged", async () => {
    await expectProblem(ask(tiers.conductor, `/alarms/${ABSENT}`), 404, "not_found");
    await expectProblem(send(`/alarms/${ABSENT}/acknowledge`, {}), 404, "not_found");
    await expectProblem(send(`/alarms/${ABSENT}/acknowledge`, { by: "me" }), 400, "invalid");
    await expectProblem(ask(tiers.conductor, `/alarms/${ABSENT}/acknowledge`, { method: "DELETE" }), 404, "not_found");
  });

  test("a window is made, listed and taken back; one that is over, or ends before it begins, is 400", async () => {
    const soon = new Date(Date.now() + 3_600_000).toISOString();
    const made = await send("/windows", { ends_at: soon, matcher: { node: "n1" }, comment: "new disks" });
    expect(made.status).toBe(201);
    const window = Window.parse(await made.json());
    const listed = async () => WindowList.parse(await (await ask(tiers.conductor, "/windows")).json()).windows;
    expect(await listed()).toEqual([window]);
    const remove = () => ask(tiers.conductor, `/windows/${window.id}`, { method: "DELETE" });
    expect((await remove()).status).toBe(204);
    expect(await listed()).toEqual([]);
    await expectProblem(remove(), 404, "not_found");
    await expectProblem(send("/windows", { ends_at: "2020-01-01T00:00:00Z", matcher: {} }), 400, "invalid");
    await expectProblem(send("/windows", { starts_at: soon, ends_at: soon, matcher: {} }), 400, "invalid");
    await expectProblem(send("/windows", { ends_at: soon, matcher: { nodes: "n1" } }), 400, "invalid");
    await expectProblem(send("/windows", { ends_at: soon }), 400, "invalid");
  });
});
