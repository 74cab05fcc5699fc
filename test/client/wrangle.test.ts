import { expect, test } from "bun:test";
import { createPeer, nestedDeeper } from "../../src/client/peer.ts";
import { pullReport } from "../../src/client/wrangle.ts";
import { realWorld } from "../../src/world.ts";
import { virtualWorld } from "../support/world.ts";

const LIMITS = { devices: 5, bySource: false, bytes: 100_000, deadlineMs: 5000, discoveryMs: 5000 };
const world = realWorld(() => {});
const device = (index: number) => ({ uuid: `8e45a2ea-5364-4b0d-a252-bf8becaa60${index.toString().padStart(2, "0")}` });

/** A child that pages without being asked: `pages[n]` names the page after it. */
const childOf = (pages: Record<string, unknown>[]) => {
  const fetch = async (url: string) => {
    const number = Number(new URL(url).searchParams.get("page_token") ?? 0);
    return Response.json({
      ...pages[number],
      ...(number + 1 < pages.length ? { next_page_token: `${number + 1}` } : {}),
    });
  };
  return createPeer({ kind: "http", base: "http://child.example" }, { ...world, fetch });
};
const page = (generation: string, ...devices: unknown[]) => ({ generation, hardware: devices });

test("pullReport() reads every page of a child that pages without being asked", async () => {
  const child = childOf([page("g", device(0), device(1)), page("g", device(2)), page("g", device(3))]);
  const report = await pullReport(child, LIMITS, null, world);
  expect(report?.items.map(({ value }) => value.uuid)).toEqual([0, 1, 2, 3].map((index) => device(index).uuid));
  expect(report?.generation).toBe("g");
});

test("pullReport() refuses a list that changes between its pages, or never ends", async () => {
  const changing = childOf([page("g1", device(0)), page("g2", device(1))]);
  await expect(pullReport(changing, LIMITS, null, world)).rejects.toMatchObject({ code: "invalid" });
  const empty = childOf([page("g", device(0)), ...Array.from({ length: 50 }, () => page("g"))]);
  await expect(pullReport(empty, LIMITS, null, world)).rejects.toMatchObject({ code: "invalid" });
  const long = childOf(Array.from({ length: 50 }, (_, index) => page("g", device(index))));
  await expect(pullReport(long, LIMITS, null, world)).rejects.toMatchObject({ code: "invalid" });
});

test("pullReport() reads all pages in the time of one answer, however few devices a page has", async () => {
  const clock = virtualWorld(async (url, init) => {
    // Each page in good time, and all of them never.
    await new Promise<void>((resume, fail) => {
      clock.world.timer(2000, resume);
      init?.signal?.addEventListener("abort", () => fail(init.signal?.reason));
    });
    const number = Number(new URL(url).searchParams.get("page_token") ?? 0);
    return Response.json({ ...page("g", device(number)), next_page_token: `${number + 1}` });
  });
  const child = createPeer({ kind: "http", base: "http://child.example" }, clock.world);
  const failure = pullReport(child, { ...LIMITS, devices: 1000 }, null, clock.world).catch((error) => error);
  await clock.advance(LIMITS.deadlineMs);
  expect(await failure).toMatchObject({ code: "timeout" });
});

test("nestedDeeper() counts open brackets, and none in strings", () => {
  const deeper = (text: string, levels: number) => nestedDeeper(new TextEncoder().encode(text), levels);
  expect([deeper('{"a":[[1],[2]]}', 3), deeper('{"a":[[1],[2]]}', 2)]).toEqual([false, true]);
  expect(deeper('["[[[[", "\\"[[[[", "\\\\"]', 1)).toBe(false);
  expect(deeper("[".repeat(1_000_000), 200)).toBe(true);
});
