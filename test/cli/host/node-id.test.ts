import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodeId, readNodeId } from "../../../src/cli/host/node-id.ts";
import type { Log } from "../../../src/world.ts";

const OTHER = "7b3f0c52-8a51-4b7e-9c1d-0a4f5e6d7c8b";
const silent: Log = () => {};
let state = "";
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), "sinew-node-id-"));
});
afterEach(() => rmSync(state, { recursive: true }));

describe("nodeId()", () => {
  test("is made once, is random, and belongs to its owner alone", async () => {
    const id = await nodeId({ state, nodeId: null }, silent);
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(await nodeId({ state, nodeId: null }, silent)).toBe(id);
    expect(statSync(join(state, "node-id")).mode & 0o777).toBe(0o600);
    expect(readdirSync(state)).toEqual(["node-id"]);
  });

  test("is one and the same for processes that start together", async () => {
    const ids = await Promise.all(Array.from({ length: 20 }, () => nodeId({ state, nodeId: null }, silent)));
    expect(new Set(ids).size).toBe(1);
    expect(await readNodeId(state)).toBe(ids[0] ?? "");
  });

  test("is the one given, which is kept where there was none", async () => {
    expect(await nodeId({ state, nodeId: OTHER }, silent)).toBe(OTHER);
    expect(await readNodeId(state)).toBe(OTHER);
  });

  test("is the one given over a different one, which stays in the file, with a warning", async () => {
    const kept = await nodeId({ state, nodeId: null }, silent);
    const said: string[] = [];
    expect(await nodeId({ state, nodeId: OTHER }, (level) => said.push(level))).toBe(OTHER);
    expect(said).toEqual(["warn"]);
    expect(await readNodeId(state)).toBe(kept);
  });

  test.each(["", "rack-1", "00000000-0000-0000-0000-000000000000", `${OTHER}\n${OTHER}`])(
    "is an error where the file holds %j, which is not overwritten",
    async (text) => {
      writeFileSync(join(state, "node-id"), text);
      await expect(nodeId({ state, nodeId: null }, silent)).rejects.toThrow("expected one UUID");
      expect(readFileSync(join(state, "node-id"), "utf8")).toBe(text);
    },
  );
});

test("readNodeId() gives null without a file or directory, and makes neither", async () => {
  expect(await readNodeId(state)).toBeNull();
  expect(await readNodeId(join(state, "none"))).toBeNull();
  expect(readdirSync(state)).toEqual([]);
});
