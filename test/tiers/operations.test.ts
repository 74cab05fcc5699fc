import { expect, test } from "bun:test";
import { SinewError } from "../../src/contract/problem.ts";
import { createOperations, type Reporting } from "../../src/tiers/operations/operations.ts";
import { quiet } from "../support/tiers.ts";
import { virtualWorld } from "../support/world.ts";

const FOUND = { found: 1, status: "SUCCEEDED", error: null } as const;

const step = (
  name: string,
  status: "IN-PROGRESS" | "SUCCEEDED" | "FAILED" = "SUCCEEDED",
  error: string | null = null,
) => ({
  ...{ name, endpoint: null, status, found: null, error },
});
const setup = (subject: string, request = "{}") => ({ kind: "setup", subject, request });

test("begin() resolves when the work says that it is under way, and its children are what the work says", async () => {
  const operations = createOperations(quiet());
  const gate = Promise.withResolvers<void>();
  const begun = await operations.begin(setup("a"), async ({ report }) => {
    report([step("one", "IN-PROGRESS")]);
    await gate.promise;
    report([step("one"), step("two")]);
    return "SUCCEEDED";
  });
  expect(begun).toMatchObject({ kind: "setup", status: "IN-PROGRESS", children: [{ name: "one" }] });
  gate.resolve();
  const ended = await operations.wait(begun.uuid, 10_000);
  expect(ended).toMatchObject({ status: "SUCCEEDED", children: [{ name: "one" }, { name: "two" }] });
  expect(ended?.finished_at).not.toBeNull();
});

test("begin() throws what refused the work before it was under way, and there is no operation then", async () => {
  const operations = createOperations(quiet());
  let uuid = "";
  const refuse = ({ operation }: Reporting) => {
    uuid = operation;
    return Promise.reject(new SinewError("setup_refused", "no"));
  };
  await expect(operations.begin(setup("a"), refuse)).rejects.toThrow("no");
  expect(operations.get(uuid)).toBeNull();
  // Nothing is left in the way.
  expect(await operations.begin(setup("a"), async () => "SUCCEEDED")).toMatchObject({ kind: "setup" });
  await operations.idle();
});

test("begin() joins the same work on a subject, even one that is not under way yet; another one is busy", async () => {
  const operations = createOperations(quiet());
  const gate = Promise.withResolvers<void>();
  let runs = 0;
  const work = async ({ report }: Reporting) => {
    runs += 1;
    await gate.promise;
    report([]);
    return "SUCCEEDED" as const;
  };
  const both = [operations.begin(setup("a"), work), operations.begin(setup("a"), work)];
  await expect(operations.begin(setup("a", "other"), work)).rejects.toMatchObject({ code: "busy" });
  const elsewhere = operations.begin(setup("b", "other"), work);
  gate.resolve();
  const [first, second] = await Promise.all(both);
  expect(first?.uuid).toBe(second?.uuid ?? "");
  expect((await elsewhere).uuid).not.toBe(first?.uuid ?? "");
  expect(runs).toBe(2);
});

test("begin() of a work that fails later gives an operation that says why, once", async () => {
  const operations = createOperations(quiet());
  for (const [reported, children] of [
    [[], [step("setup", "FAILED", "left without a driver")]],
    [[step("bind", "IN-PROGRESS")], [step("bind", "FAILED", "left without a driver")]],
    [
      [step("bind", "FAILED", "EBUSY")],
      [step("bind", "FAILED", "EBUSY"), step("setup", "FAILED", "left without a driver")],
    ],
  ] as const) {
    const { uuid } = await operations.begin(setup("a"), async ({ report }) => {
      report([...reported]);
      throw new Error("left without a driver");
    });
    expect(await operations.wait(uuid, 10_000)).toMatchObject({ status: "FAILED", children });
  }
});

test("many operations on subjects are kept until a tier above has seen their end, and do not push out others", async () => {
  const operations = createOperations(quiet());
  const discovery = operations.start("discovery", async () => []);
  const all: string[] = [];
  for (let index = 0; index < 600; index += 1) {
    all.push((await operations.begin(setup(`${index}`), async () => "SUCCEEDED")).uuid);
  }
  await operations.idle();
  expect(all.filter((uuid) => operations.get(uuid) === null)).toEqual([]);
  expect(operations.get(discovery.uuid)).not.toBeNull();
});

test("what begin() does is stored in order: its beginning, and its end last", async () => {
  const saved: string[] = [];
  const operations = createOperations(quiet(), async ({ status, children }) => {
    saved.push(`${status} ${children.length}`);
  });
  const { uuid } = await operations.begin(setup("a"), async ({ report }) => {
    for (let count = 1; count <= 5; count += 1) report(Array.from({ length: count }, () => step("x")));
    return "PARTIAL";
  });
  await operations.wait(uuid, 10_000);
  await operations.idle();
  expect(saved.at(-1)).toBe("PARTIAL 5");
  expect(saved[0]).toStartWith("IN-PROGRESS");
});

test("an operation that ends while its store is away is stored once that is back", async () => {
  const { world, advance } = virtualWorld();
  const stored: (string | null)[] = [];
  let away = false;
  const operations = createOperations(world, async ({ finished_at, status }) => {
    if (away) throw new Error("the database does not answer");
    stored.push(finished_at === null ? null : status);
  });
  const gate = Promise.withResolvers<void>();
  const child = { name: "a", endpoint: null, run: () => gate.promise.then(() => FOUND) };
  const { uuid } = operations.start("discovery", async () => [child]);
  await advance(0);
  away = true;
  gate.resolve();
  await advance(5_000);
  expect(operations.get(uuid)).toMatchObject({ status: "SUCCEEDED", children: [{ error: null }] });
  expect(stored).toEqual([null, null]);
  away = false;
  await advance(5_000);
  expect(stored).toEqual([null, null, "SUCCEEDED"]);
});
