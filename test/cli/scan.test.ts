import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HardwareList } from "../../src/contract/hardware.ts";
import { makeTree, type Tree } from "../support/tree.ts";
import { cleanEnv, lines, run } from "./run.ts";

const NIL = "00000000-0000-0000-0000-000000000000";
const ID = "7b3f0c52-8a51-4b7e-9c1d-0a4f5e6d7c8b";
const home = mkdtempSync(join(tmpdir(), "sinew-scan-"));
let tree: Tree;
beforeAll(() => {
  tree = makeTree();
  tree.add({
    address: "0000:00:01.0",
    vendor: "8086",
    device: "352a",
    class: "060400",
    secondary: 0x3b,
    driver: "pcieport",
  });
  tree.add({
    address: "0000:3b:00.0",
    parent: "0000:00:01.0",
    vendor: "8086",
    device: "4940",
    class: "0b4000",
    serial: "00-a0-c9-ff-fe-12-34-56",
  });
});
afterAll(() => {
  tree.close();
  rmSync(home, { recursive: true });
});

const main = join(import.meta.dir, "../../src/main.ts");
const raise = () => {
  throw new Error("a PCI function was expected");
};
const sinew = (...args: string[]) => run(args, cleanEnv(home));
const scan = (...args: string[]) => sinew("scan", "--sysfs", tree.sysfs, ...args);
const parse = (text: string) => HardwareList.parse(JSON.parse(text));

describe("sinew scan", () => {
  test("is an aligned table without colour in a pipe", async () => {
    const { code, out, err } = await scan();
    expect({ code, err }).toEqual({ code: 0, err: "" });
    const [head = "", card = ""] = lines(out);
    expect(lines(out)).toHaveLength(2);
    expect(card).toStartWith("CRYPTO");
    expect(card.indexOf("0000:3b:00.0")).toBe(head.indexOf("ADDRESS"));
    expect(card.slice(head.indexOf("READY"))).toStartWith("no");
    expect(out).not.toContain("\x1b");
  });

  test("--json is the body of GET /hardware and nothing else, the same generation each time", async () => {
    const { out, err } = await scan("--json");
    const list = parse(out);
    expect(err).toBe("");
    expect(list.hardware.map((device) => device.pci?.address)).toEqual(["0000:3b:00.0"]);
    expect(list.hardware[0]?.node.id).toBe(NIL);
    expect(list.sources.find(({ name }) => name === "crypto")).toMatchObject({
      type: "CRYPTO",
      status: "OK",
      count: 1,
    });
    expect(parse((await scan("--json")).out).generation).toBe(list.generation);
  });

  test("--all shows what is no accelerator too", async () => {
    const { out } = await scan("--all", "--json");
    expect(parse(out).hardware.map((device) => device.acc_specs.device_type)).toEqual(["GENERIC", "CRYPTO"]);
  });

  test("says how many functions it looked at where none is an accelerator", async () => {
    const none = join(home, "none");
    mkdirSync(join(none, "bus/pci/devices"), { recursive: true });
    const { code, out } = await sinew("scan", "--sysfs", none);
    expect({ code, out }).toEqual({
      code: 0,
      out: "None of the 0 PCI functions looked at is an accelerator; `sinew scan --all` shows them.\n",
    });
  });

  test("reads the node's id and makes none", async () => {
    const state = join(home, "state");
    await scan("--state", state);
    expect(existsSync(state)).toBe(false);
    mkdirSync(state);
    writeFileSync(join(state, "node-id"), `${ID}\n`);
    expect(parse((await scan("--json", "--state", state)).out).hardware[0]?.node.id).toBe(ID);
    expect(readdirSync(state)).toEqual(["node-id"]);
  });

  test("exits 1 and says what it looked for where there is no PCI bus", async () => {
    const { code, out, err } = await sinew("scan", "--sysfs", "/nowhere");
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(lines(err)).toHaveLength(1);
    expect(err).toContain("/nowhere/bus/pci/devices");
  });

  test("exits 1 where a dump or snapshot cannot be read or is none", async () => {
    const junk = join(home, "junk");
    writeFileSync(junk, "junk");
    for (const args of [
      ["--dump", "/nowhere"],
      ["--dump", junk],
      ["--snapshot", "/nowhere"],
      ["--snapshot", junk],
    ]) {
      const { code, out, err } = await sinew("scan", ...args);
      expect({ code, out, lines: lines(err).length }).toEqual({ code: 1, out: "", lines: 1 });
      expect(err).toContain(args[1] ?? "");
    }
  });

  test("exits 2 for two origins at once, an unknown flag, and an argument", async () => {
    expect((await scan("--dump", "x")).code).toBe(2);
    expect((await scan("extra")).code).toBe(2);
    const { code, err } = await scan("--jsn");
    expect(code).toBe(2);
    expect(err).toContain("Did you mean --json?");
  });

  test("--dump reads lspci's output, on a node that is nobody's", async () => {
    const dump = join(home, "dump.txt");
    const bytes = "86 80 40 49 06 04 10 00 40 00 40 0b 10 00 00 00";
    const rest = ["10", "20", "30"].map((at) => `${at}:${" 00".repeat(16)}`);
    writeFileSync(dump, [`3b:00.0 Co-processor: Intel`, `00: ${bytes}`, ...rest, ""].join("\n"));
    const list = parse((await sinew("scan", "--dump", dump, "--json")).out);
    expect(list.hardware.map((device) => [device.pci?.address, device.node.id])).toEqual([["0000:3b:00.0", NIL]]);
  });

  const lspci = Bun.which("lspci") && Bun.spawnSync(["lspci", "-xxxx"]).stdout;
  test.if(lspci !== null && lspci.length > 0)(
    "--dump - reads of this machine in a pipe what a scan of it does",
    async () => {
      const child = Bun.spawn([process.execPath, main, "scan", "--dump", "-", "--all", "--json"], {
        env: cleanEnv(home),
        stdin: lspci || null,
      });
      const dumped = parse(await new Response(child.stdout).text()).hardware;
      const live = parse((await sinew("scan", "--all", "--json")).out).hardware;
      // What a dump without -v cannot show: where a function sits, its driver, and the sizes of its BARs.
      const facts = ({ name, source, serials, pci }: (typeof live)[number]) => {
        const { path, parent, slot, label, kernel_driver, numa_node, iommu_group, bars, ...told } = pci ?? raise();
        return { name, source, serials, told, bars: bars.map(({ index, type }) => ({ index, type })) };
      };
      expect(dumped.map(facts)).toEqual(live.map(facts));
    },
  );

  test("--dump reads no file without an end", async () => {
    const { code, err } = await sinew("scan", "--dump", "/dev/zero");
    expect({ code, err }).toEqual({ code: 1, err: "sinew: cannot read /dev/zero: it has more than 64 MiB\n" });
  });

  test("ends quietly when its reader has gone", async () => {
    const command = `"$0" "$1" scan --all --json --sysfs "$2" | true`;
    const child = Bun.spawn(["bash", "-o", "pipefail", "-c", command, process.execPath, main, tree.sysfs], {
      env: cleanEnv(home),
      stderr: "pipe",
    });
    expect(await new Response(child.stderr).text()).toBe("");
    expect(await child.exited).toBe(0);
  });
});

describe("sinew snapshot", () => {
  test("is a host that scan shows again anywhere, as the same node", async () => {
    const state = join(home, "snapshot-state");
    mkdirSync(state);
    writeFileSync(join(state, "node-id"), ID);
    const { out, err } = await sinew("snapshot", "--sysfs", tree.sysfs, "--state", state);
    expect(err).toBe("");
    const file = join(home, "host.json");
    writeFileSync(file, out);
    const live = parse((await scan("--all", "--json", "--state", state)).out);
    const replayed = parse((await sinew("scan", "--all", "--json", "--snapshot", file)).out);
    expect(replayed.generation).toBe(live.generation);
  });

  test("--scrub shows no serial", async () => {
    const serial = "0000a0c9fffe123456";
    const plain = (await sinew("snapshot", "--sysfs", tree.sysfs)).out;
    const scrubbed = (await sinew("snapshot", "--scrub", "--sysfs", tree.sysfs)).out;
    const serials = async (text: string) => {
      const file = join(home, "scrub.json");
      writeFileSync(file, text);
      const { out } = await sinew("scan", "--json", "--snapshot", file);
      return parse(out).hardware.flatMap((device) =>
        device.serials.map(({ value }) => value.replaceAll(/[^0-9a-f]/g, "")),
      );
    };
    const [before, after] = [await serials(plain), await serials(scrubbed)];
    expect(before).toHaveLength(1);
    expect(serial).toContain(before[0] ?? "none");
    expect(after).toHaveLength(1);
    expect(after).not.toEqual(before);
  });

  test("exits 1 where there is no PCI bus", async () => {
    const { code, out, err } = await sinew("snapshot", "--sysfs", "/nowhere");
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(err).toContain("/nowhere/bus/pci/devices");
  });
});
