import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cleanEnv, run } from "../cli/run.ts";
import { endAll, type RunningSinew, startSinew, until } from "../support/process.ts";
import { makeTree } from "../support/tree.ts";

const NODES = Array.from({ length: 20 }, (_, at) => `n${String(at + 1).padStart(2, "0")}`);
const [GPU, QAT] = ["0000:3b:00.0", "0000:5e:00.0"];
const home = mkdtempSync(join(tmpdir(), "sinew-operators-"));
const state = join(home, "conductor");
const trees = new Map<string, ReturnType<typeof makeTree>>();
const agents = new Map<string, RunningSinew>();

function treeOf(node: string) {
  const tree = makeTree();
  const port = { vendor: "8086", device: "352a", class: "060400", driver: "pcieport" };
  tree.add({ address: "0000:00:01.0", secondary: 0x3b, ...port });
  tree.add({ address: "0000:00:02.0", secondary: 0x5e, ...port });
  const gpu = { vendor: "10de", device: "2331", class: "030200", driver: "nvidia", slot: "4" };
  tree.add({ address: GPU, parent: "0000:00:01.0", ...gpu });
  // The second planted fault is there from the beginning: nobody has bound this card.
  const driver = node === "n07" ? {} : { driver: "4xxx" };
  tree.add({
    address: QAT,
    parent: "0000:00:02.0",
    vendor: "8086",
    device: "4940",
    class: "0b4000",
    slot: "5",
    ...driver,
  });
  trees.set(node, tree);
  return tree;
}

/** What an operator types at the conductor's machine: no state, no URL, as `sinew --help` shows it. */
const types = async (...args: string[]) => {
  const ran = await run(args, cleanEnv(home, { SINEW_STATE_DIR: state }));
  expect([ran.err, ran.code]).toEqual(["", 0]);
  return ran.out;
};
const rowOf = (text: string, ...words: string[]) =>
  text.split("\n").find((line) => words.every((word) => line.includes(word))) ??
  `no line with ${words.join(" and ")}:\n${text}`;

beforeAll(async () => {
  const options = ["--lease", "3", "--alarm-hold", "0"];
  const conductor = await startSinew(["--role", "conductor", "--state", state, ...options]);
  const start = (node: string) =>
    startSinew([
      ...["--role", "agent", "--node", node, "--state", join(home, node), "--sysfs", treeOf(node).sysfs],
      ...["--drivers", "gpu,crypto", "--conductor", conductor.url, "--health-interval", "1"],
    ]);
  // A few at a time: two cores start no twenty programs at once.
  for (let at = 0; at < NODES.length; at += 4)
    for (const [node, agent] of await Promise.all(
      NODES.slice(at, at + 4).map(async (one) => [one, await start(one)] as const),
    ))
      agents.set(node, agent);
  const hardware = async () => JSON.parse(await types("get", "hardware", "-o", "json")).hardware;
  await until(async () => (await hardware()).length === 40, 30_000);

  trees.get("n03")?.breakAllOnes(GPU);
  trees.get("n11")?.remove(GPU);
  await agents.get("n15")?.stop("SIGKILL");
  const lost = trees.get("n18")?.sysfs ?? "";
  renameSync(join(lost, "bus"), join(lost, "was-bus"));
  // All five are there once each that alarms has; what nobody has bound is no alarm.
  const kinds = ["agent.lost", "hardware.missing", "hardware.unhealthy", "source.failed"];
  await until(async () => {
    const { alarms } = JSON.parse(await types("get", "alarms", "-o", "json"));
    return kinds.every((kind) => alarms.some((alarm: { kind: string }) => alarm.kind === kind));
  }, 60_000);
}, 120_000);

afterAll(async () => {
  await endAll();
  for (const tree of trees.values()) tree.close();
  rmSync(home, { recursive: true, force: true });
}, 30_000);

const AGE = /\s\d+[smhd]\S*\s/;

describe("a fleet of 20 nodes with five faults", () => {
  test("which devices are not ready, why, since when, and what to do: one command", async () => {
    const text = await types("get", "hardware", "--ready", "false");
    const allOnes = rowOf(text, "n03", GPU);
    expect(allOnes).toMatch(/NotReady/);
    expect(allOnes).toContain("AllOnes");
    expect(allOnes).toMatch(AGE);
    expect(allOnes).toMatch(/\(.+\)$/);
    const unbound = rowOf(text, "n07", QAT);
    expect(unbound).toContain("NoKernelDriver");
    expect(unbound).toMatch(AGE);
    expect(unbound).toMatch(/\(.*modprobe.*\)|\(.*bind.*\)|\(.*4xxx.*\)/i);
  });

  test("what cannot be told for now, and what is gone, is not among those that are well", async () => {
    const text = await types("get", "hardware");
    expect(rowOf(text, "n11", GPU)).toMatch(/Gone/);
    for (const address of [GPU, QAT]) {
      expect(rowOf(text, "n15", address)).toMatch(/Stale/);
      expect(rowOf(text, "n18", address)).toMatch(/Stale/);
    }
    const well = text.split("\n").filter((line) => /\sReady\s/.test(line));
    expect(well).toHaveLength(40 - 1 - 1 - 1 - 2 - 2);
  });

  test("which nodes and drivers do not answer, and why", async () => {
    const nodes = await types("get", "nodes", "--status", "LOST");
    expect(rowOf(nodes, "n15")).toContain("LOST");
    expect(nodes.trim().split("\n")).toHaveLength(2);
    const sources = await types("get", "sources", "--status", "stale");
    expect(rowOf(sources, "n18", "gpu")).toMatch(AGE);
    expect(sources).not.toContain("n03");
  });

  test("what fires is four alarms of the five, each with its node, since when, and what to do", async () => {
    const text = await types("get", "alarms");
    for (const [kind, node] of [
      ["hardware.unhealthy", "n03"],
      ["hardware.missing", "n11"],
      ["agent.lost", "n15"],
      ["source.failed", "n18"],
    ] as const)
      expect(rowOf(text, kind, node)).toMatch(/\(.+\)$/);
    expect(text).not.toContain("n07");
    for (const node of NODES.filter((one) => !["n03", "n11", "n15", "n18"].includes(one)))
      expect(text).not.toContain(node);
  });

  test("what is missing, with its slot, and nothing that differs", async () => {
    const text = await types("drift");
    expect(rowOf(text, "n11", GPU)).toMatch(/ 4 /);
    // The one that nobody bound differs from the rest.
    expect(rowOf(text, "n07", QAT)).toMatch(/none +4xxx \(\d+ of \d+\)/);
  });

  test("sinew --help alone leads there", async () => {
    const help = await types("--help");
    for (const word of ["get ", "drift", "doctor"]) expect(help).toContain(word);
  });
});
