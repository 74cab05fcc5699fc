import { expect, test } from "bun:test";
import { labelsPatch } from "../../../src/cli/life/label.ts";
import { Hardware } from "../../../src/contract/hardware.ts";
import { Node } from "../../../src/contract/node.ts";
import { lines } from "../../cli/run.ts";
import { type Fleet, GPU, QAT, useFleet } from "../../support/fleet.ts";
import { sinew, until } from "../../support/process.ts";

let fleet: Fleet;
const type = (...args: string[]) => fleet.type(...args);
/** What it says where it is done. */
async function done(...args: string[]): Promise<string> {
  const { code, out, err } = await type(...args);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  return out;
}
const node = async (name: string) => Node.parse((await fleet.json("get", "nodes", name)).nodes[0]);

useFleet((begun) => {
  fleet = begun;
});

test("label gives labels by which every list chooses, and takes them back", async () => {
  expect(await done("label", "node", "n1", "rack=r7", "site=ams")).toBe("node/n1 rack=r7,site=ams\n");
  expect((await fleet.json("get", "hardware", "-l", "rack=r7,site")).hardware).toHaveLength(2);
  const other = await type("label", "node", "n1", "rack=r8", "new=1");
  expect(other).toMatchObject({ code: 1, err: expect.stringContaining("--overwrite") });
  expect((await node("n1")).labels).toEqual({ rack: "r7", site: "ams" });
  expect(await done("label", "node", "n1", "rack=r8", "site-", "--overwrite")).toBe("node/n1 rack=r8\n");
  expect(await type("label", "node", "n1", "site-")).toMatchObject({
    code: 0,
    err: expect.stringContaining("had no label site"),
  });
  expect(await done("label", "node", "n1", "rack-")).toBe("node/n1 has no labels\n");
  // What is expected of n3 is what it says, as far as anybody knows.
  expect(await type("label", "node", "n3", "rack-")).toMatchObject({
    code: 0,
    err: expect.stringContaining("rack=r9 stays"),
  });
  for (const [words, said] of [
    [["rack"], "NAME=VALUE or NAME-"],
    [["a=1", "a-"], "each label once"],
    [["=x"], "NAME=VALUE"],
  ] as const)
    expect(await type("label", "node", "n1", ...words)).toMatchObject({ code: 2, err: expect.stringContaining(said) });
  expect(await type("label", "node", "n1", "__proto__=x")).toMatchObject({
    code: 1,
    err: expect.stringContaining("__proto__"),
  });
  expect(await type("label", "node", "n11", "a=1")).toMatchObject({
    code: 1,
    err: expect.stringContaining("did you mean n1"),
  });
});

test("labelsPatch() takes a value with any characters, and a name with a minus in it", () => {
  expect(labelsPatch(["a-b=c=d", "e-f-", "g="])).toEqual({ "a-b": "c=d", "e-f": null, g: "" });
});

test("rename names a node until that is taken back; no two have one name", async () => {
  expect(await done("rename", "node", "n1", "r7-03")).toBe("node/n1 is node/r7-03\n");
  expect((await fleet.json("get", "hardware", `r7-03/${QAT}`)).hardware).toHaveLength(1);
  expect(await type("rename", "node", "n2", "r7-03")).toMatchObject({ code: 1, err: expect.stringContaining("r7-03") });
  expect(await done("rename", "node", "r7-03", "--undo")).toBe("node/r7-03 is node/n1\n");
  // By a name that it had.
  const then = await type("history", "node", "r7-03");
  expect(then).toMatchObject({ code: 0, err: expect.stringContaining("node r7-03 is called n1 now") });
  expect(then.out).toMatch(/ name n1 -> r7-03, by /);
  for (const args of [[], ["x", "--undo"]])
    expect(await type("rename", "node", "n1", ...args)).toMatchObject({
      code: 2,
      err: expect.stringContaining("--undo"),
    });
  expect(await type("rename", "node", "n1", "two words")).toMatchObject({
    code: 1,
    err: expect.stringContaining("/name"),
  });
});

test("cordon shows a node or a device as out of service wherever it is shown, and uncordon takes it back", async () => {
  const [{ uuid = "" } = {}] = (await fleet.json("get", "hardware", `n1/${QAT}`)).hardware;
  expect(await done("cordon", "n1/3b:00.0", "--comment", "fan")).toMatch(
    new RegExp(`^hardware/${uuid} \\(.* of n1, ${QAT}\\) cordoned\n$`),
  );
  const [row] = lines(await done("get", "hardware", "--cordoned", "true", "--no-headers"));
  expect(row).toMatch(/ n1 +CRYPTO .* Ready,Cordoned .*Cordoned: by .*: fan/);
  const device = Hardware.parse(JSON.parse(await done("cordon", uuid.slice(0, 8), "--json")));
  expect(device.cordoned).toMatchObject({ comment: "fan", of: "device" });
  expect(await done("cordon", "n2", "node/n1")).toBe("node/n2 cordoned\nnode/n1 cordoned\n");
  expect(await done("get", "nodes", "n2", "--no-headers")).toContain(" LIVE,Cordoned ");
  expect(await type("describe", "n2")).toMatchObject({
    code: 2,
    err: expect.stringContaining("`sinew describe node n2`"),
  });
  expect(await done("describe", "node", "n1")).toContain("LIVE,Cordoned");
  expect((await fleet.json("get", "hardware", "--cordoned", "false")).hardware).toEqual([]);
  expect(await done("uncordon", "n1", "n2", `hw/${uuid}`)).toContain("node/n2 uncordoned\n");
  expect((await fleet.json("get", "hardware", "--cordoned", "true")).hardware).toEqual([]);
  // Nothing is done where one of them is nothing.
  expect(await type("cordon", "n1", "n9")).toMatchObject({ code: 1, out: "", err: expect.stringContaining("n9") });
  expect(await type("cordon", "n1/99:00.0")).toMatchObject({ code: 1, err: expect.stringContaining("99:00.0") });
});

test("who follows a list sees who goes out of service, and that it stays so while its hardware changes", async () => {
  const watch = fleet.follow(["get", "hardware", "--node", "n1", "--watch", "--no-headers"]);
  await until(() => / GPU .* NotReady /.test(watch.out()));
  await done("cordon", "n1");
  await until(() => / GPU .* NotReady,Cordoned /.test(watch.out()));
  fleet.tree.bind(GPU, "nvidia");
  await until(() => / GPU .* Ready,Cordoned /.test(watch.out()), 20_000);
  await done("uncordon", "n1");
  await until(() => / GPU .* Ready /.test(watch.out()));
  await watch.stop();
}, 40_000);

test("forget takes what is gone out of every list, and nothing that is still there", async () => {
  expect(await type("forget", "hardware", `n1/${QAT}`)).toMatchObject({
    code: 2,
    err: expect.stringContaining("--yes"),
  });
  expect(await type("forget", "hardware", `n1/${QAT}`, "--yes")).toMatchObject({
    code: 1,
    err: expect.stringContaining("GONE"),
  });
  const [{ uuid = "" } = {}] = (await fleet.json("get", "hardware", `n1/${QAT}`)).hardware;
  const { id } = await node("n1");
  fleet.tree.remove(QAT);
  await until(async () => (await fleet.json("get", "hardware", "--freshness", "gone")).hardware.length === 1, 20_000);
  expect(await done("forget", "hw", `n1/${QAT}`, "--yes")).toMatch(/^hardware\/.* forgotten\n$/);
  expect((await fleet.json("get", "hardware", "--node", "n1")).hardware).toHaveLength(1);
  expect(await type("forget", "node", "n1", "--yes")).toMatchObject({
    code: 1,
    err: expect.stringContaining("stop its agent"),
  });
  await fleet.nodes.n1.stop("SIGTERM");
  await until(async () => (await node("n1")).state === "LEFT");
  expect(await done("forget", "node", "n1", "--yes")).toBe("node/n1 forgotten\n");
  expect((await fleet.json("get", "nodes")).nodes.map(({ name }: Node) => name).toSorted()).toEqual(["n2", "n3"]);
  expect((await fleet.json("get", "hardware")).hardware).toHaveLength(4);
  // What became of them is kept, whatever they are called by.
  for (const said of [uuid, uuid.slice(0, 8), `n1/${QAT}`, "n1/3b:00.0"]) {
    const { code, out, err } = await type("history", "hardware", said);
    expect({ code, err }).toEqual({
      code: 0,
      err: `sinew: note: ${said} is in the fleet no more: what is kept of it\n`,
    });
    expect(out).toMatch(/ forgotten .* in no list any more, by \S+@\S+\n(.*\n)*.* gone .*freshness FRESH -> GONE/);
  }
  for (const said of ["n1", id, id.slice(0, 8)]) {
    const { code, out, err } = await type("history", "node", said);
    expect({ code, err }).toEqual({
      code: 0,
      err: `sinew: note: node ${said} is in the fleet no more: what is kept of it\n`,
    });
    expect(out).toContain("node n1: LIVE -> LEFT");
  }
  for (const said of ["n77", "ffffffff"])
    expect(await type("history", "node", said)).toMatchObject({ code: 1, err: expect.stringContaining("no node has") });
  expect(await sinew(["expect", "nodes", "--state", fleet.state])).not.toMatch(/^n1 /m);
}, 40_000);

test("who sits at a terminal is asked before anything is forgotten", async () => {
  const asked = fleet.follow(["forget", "node", "n3"], { cols: 120, rows: 24 });
  await until(() => asked.out().includes("forget node/n3 and its 0 devices? [y/N]"));
  asked.type("n\r");
  await until(() => asked.out().includes("nothing was forgotten"));
  await asked.stop();
  expect((await node("n3")).state).toBe("EXPECTED");
});
