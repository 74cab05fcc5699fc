import { describe, expect, test } from "bun:test";
import { type Answered, type AuditStore, createAudit, memoryAudit } from "../../src/auth/audit.ts";
import type { AuditEntry } from "../../src/contract/access/audit.ts";
import { virtualWorld } from "../support/world.ts";

const answered = (more: Partial<Answered> = {}): Answered => ({
  caller: { role: "operator", name: "token 1" },
  address: "192.0.2.1",
  method: "POST",
  path: "/discovery",
  status: 202,
  code: null,
  request_id: "r",
  ...more,
});
const refused = (more: Partial<Answered> = {}) =>
  answered({ caller: null, method: "GET", path: "/hardware", status: 401, code: "unauthorized", ...more });

function make(store: AuditStore = memoryAudit()) {
  const clock = virtualWorld();
  const stored: AuditEntry[] = [];
  const audit = createAudit(
    {
      ...store,
      async append(entries) {
        await store.append(entries);
        stored.push(...entries);
      },
    },
    clock.world,
  );
  return { audit, clock, stored };
}

describe("an audit trail", () => {
  test("has a line for each write: who, what, from where, outcome", async () => {
    const { audit, clock, stored } = make();
    audit.record(answered());
    audit.record(answered({ method: "DELETE", path: "/tokens/1", status: 204 }));
    audit.record(answered({ method: "GET", path: "/hardware", status: 200 }));
    await clock.advance(1_000);
    expect(
      stored.map(({ caller, method, path, address, status, count }) => [caller, method, path, address, status, count]),
    ).toEqual([
      ["token 1", "POST", "/discovery", "192.0.2.1", 202, 1],
      ["token 1", "DELETE", "/tokens/1", "192.0.2.1", 204, 1],
    ]);
  });

  test("counts refusals by minute, caller and reason", async () => {
    const { audit, clock, stored } = make();
    for (let turn = 0; turn < 5_000; turn += 1) audit.record(refused({ path: `/${turn}` }));
    audit.record(refused({ address: "192.0.2.2" }));
    audit.record(refused({ caller: { role: "viewer", name: "token 2" }, code: "forbidden", status: 403 }));
    await clock.advance(60_000);
    expect(stored.map(({ kind, caller, code, count }) => [kind, caller, code, count])).toEqual([
      ["refusal", "a stranger", "unauthorized", 5_000],
      ["refusal", "a stranger", "unauthorized", 1],
      ["refusal", "token 2", "forbidden", 1],
    ]);
    audit.record(refused());
    await clock.advance(60_000);
    expect(stored).toHaveLength(4);
  });

  test("stores a write within a second, though refusals are counted, and counts on", async () => {
    const { audit, clock, stored } = make();
    audit.record(refused());
    audit.record(answered());
    await clock.advance(1_000);
    expect(stored.map(({ kind }) => kind)).toEqual(["write"]);
    audit.record(refused());
    await clock.advance(59_000);
    expect(stored.map(({ kind, count }) => [kind, count])).toEqual([
      ["write", 1],
      ["refusal", 2],
    ]);
  });

  test("counts what was refused to one who may not write, so that it cannot be filled", async () => {
    const { audit, clock, stored } = make();
    const viewer = { role: "viewer", name: "token 3" } as const;
    for (let turn = 0; turn < 1_000; turn += 1) {
      const path = `/${turn}/${"x".repeat(10_000)}`;
      audit.record(answered({ caller: viewer, path, status: 404 }));
      audit.record(answered({ caller: viewer, path, method: "PUT", status: 405, code: "method_not_allowed" }));
      audit.record(answered({ caller: viewer, path, status: 406, code: "version_unsupported" }));
    }
    await clock.advance(60_000);
    expect(stored.map(({ count }) => count)).toEqual([1_000, 1_000, 1_000]);
    expect(stored.every(({ path }) => path.length <= 256)).toBe(true);
  });

  test("holds at most 1,000 kinds of refusals and counts the rest together", async () => {
    const { audit, clock, stored } = make();
    for (let turn = 0; turn < 20_000; turn += 1) audit.record(refused({ address: `2001:db8::${turn.toString(16)}` }));
    await clock.advance(60_000);
    expect(stored.length).toBeLessThanOrEqual(1_001);
    expect(stored.reduce((sum, { count }) => sum + count, 0)).toBe(20_000);
  });

  test("keeps what could not be stored, up to 10,000 entries, and stores it later", async () => {
    let broken = true;
    const kept = memoryAudit();
    const append: AuditStore["append"] = (entries) =>
      broken ? Promise.reject(new Error("the disk is full")) : kept.append(entries);
    const { audit, clock, stored } = make({ ...kept, append });
    for (let turn = 0; turn < 11_000; turn += 1) audit.record(answered({ request_id: String(turn) }));
    await clock.advance(1_000);
    expect(stored).toEqual([]);
    broken = false;
    audit.record(answered({ request_id: "last" }));
    await clock.advance(1_000);
    expect(stored.length).toBe(10_001);
    expect([stored[0]?.request_id, stored.at(-1)?.request_id]).toEqual(["1000", "last"]);
  });

  test("says of a hello that was not refused but once", async () => {
    const { audit, clock, stored } = make();
    for (let turn = 0; turn < 3; turn += 1) audit.record(answered({ path: "/hello", status: 200 }));
    audit.record(answered({ path: "/hello", status: 200, address: "192.0.2.9" }));
    await clock.advance(1_000);
    expect(stored.map(({ address }) => address)).toEqual(["192.0.2.1", "192.0.2.9"]);
  });
});

describe("an audit trail in memory", () => {
  test("is read in pages, newest first, and keeps the newest 1,000", async () => {
    const { audit } = make();
    for (let turn = 0; turn < 1_500; turn += 1) audit.record(answered({ request_id: String(turn) }));
    const seen: (string | null)[] = [];
    let page_token: string | undefined;
    do {
      const page = await audit.page({ limit: 300, page_token });
      seen.push(...page.audit.map(({ request_id }) => request_id));
      page_token = page.next_page_token;
    } while (page_token !== undefined);
    expect(seen).toEqual(Array.from({ length: 1_000 }, (_, index) => String(1_499 - index)));
  });

  test("answers any page token with a page", async () => {
    const { audit } = make();
    audit.record(answered());
    for (const page_token of ["0", "1", "999999999999999", "007"])
      expect((await audit.page({ limit: 10, page_token })).audit.length).toBeLessThanOrEqual(1);
  });
});
