import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { DesiredError, readDesired } from "../../src/setup/desired/file.ts";
import { parseDesired } from "../../src/setup/desired/parse.ts";
import { matches, ruleFor } from "../../src/setup/desired/rule.ts";

const home = mkdtempSync(join(tmpdir(), "sinew-desired-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));

const file = (name: string, text: string | Uint8Array) => {
  const path = join(home, name);
  writeFileSync(path, text);
  return path;
};
const problemsOf = (document: unknown) => {
  const parsed = parseDesired(document);
  return "problems" in parsed ? parsed.problems : [];
};
const failure = async (path: string) => {
  const error = await readDesired(path).catch((thrown) => thrown);
  expect(error).toBeInstanceOf(DesiredError);
  return (error as DesiredError).message;
};

describe("a configuration", () => {
  const RULE = {
    match: { address: "0000:3b:00.0" },
    apply: "auto",
    kernel_driver: "vfio-pci",
    sriov_vfs: 4,
    vf_driver: null,
  } as const;

  test("is JSON, TOML or YAML by its ending, and says the same in each", async () => {
    const json = file("a.json", JSON.stringify({ apply: "auto", setup: [{ ...RULE, apply: undefined }] }));
    const toml = file(
      "a.toml",
      'apply = "auto"\n[[setup]]\nkernel_driver = "vfio-pci"\nsriov_vfs = 4\nvf_driver = "none"\nmatch.address = "3b:00.0"\n',
    );
    const yaml = file(
      "a.yaml",
      "setup:\n  - match: {address: '0000:3B:00.0'}\n    kernel_driver: vfio-pci\n    sriov_vfs: 4\n    vf_driver: null\n    apply: auto\n",
    );
    for (const path of [json, toml, yaml]) expect(await readDesired(path)).toEqual([RULE]);
  });

  test("tells of each bad value where it is, what was expected and what was found", () => {
    expect(
      problemsOf({
        setup: [
          { match: { vendor_id: 8086 }, kernel_driver: "a/../b" },
          { match: {}, sriov_vfs: -1 },
          { match: { adress: "x" }, apply: "maybe" },
          "vfio",
        ],
        what: 1,
      }),
    ).toEqual([
      'the document: expected no other keys than setup, apply, found "what"',
      'setup[0].match.vendor_id: expected four hexadecimal digits in quotes, such as "10de", found 8086',
      'setup[0].kernel_driver: expected a kernel driver such as "vfio-pci", or "none", found "a/../b"',
      "setup[1].match: expected at least one of device_type, vendor_id, device_id, slot, address, uuid, found nothing",
      "setup[1].sriov_vfs: expected a whole number from 0 to 65535, found -1",
      'setup[2].match: expected no other keys than device_type, vendor_id, device_id, slot, address, uuid, found "adress"',
      "setup[2].match: expected at least one of device_type, vendor_id, device_id, slot, address, uuid, found nothing",
      'setup[2].apply: expected "auto" or "on-request", found "maybe"',
      "setup[2]: expected at least one of kernel_driver, sriov_vfs and vf_driver, found nothing",
      'setup[3]: expected an object with match, kernel_driver, sriov_vfs, vf_driver, apply, found "vfio"',
    ]);
    expect(problemsOf({ setup: [{ match: { slot: 4 }, kernel_driver: "none", sriov_vfs: 2 }] })[0]).toContain(
      "makes the VFs",
    );
  });

  test("whatever it is, is rules or problems in one line each", () => {
    fc.assert(
      fc.property(fc.oneof(fc.anything(), fc.record({ setup: fc.array(fc.anything()) })), (document) => {
        const parsed = parseDesired(document);
        if ("rules" in parsed) return;
        expect(parsed.problems.length).toBeGreaterThan(0);
        for (const problem of parsed.problems) expect(problem).not.toMatch(/\p{Cc}/u);
      }),
    );
  });

  const deep = 20_000;
  test.each([
    [
      "bomb.yaml",
      `a: &a [x,x,x,x,x,x,x,x,x]\n${Array.from(
        { length: 20 },
        (_, i) =>
          `a${i}: &a${i} [${Array(9)
            .fill(i ? `*a${i - 1}` : "*a")
            .join(",")}]`,
      ).join("\n")}`,
    ],
    [
      "merge.yaml",
      Array.from({ length: 2000 }, (_, i) => `a${i}: &a${i}\n${i ? `  <<: *a${i - 1}\n` : ""}  x${i}: 1`).join("\n"),
    ],
    ["self.yaml", "setup: &a [*a]"],
    ["deep.json", "[".repeat(deep) + "]".repeat(deep)],
    ["deep.yaml", "- ".repeat(deep)],
    ["deep.toml", `a = ${"[".repeat(deep)}${"]".repeat(deep)}`],
    ["dots.toml", `${"a.".repeat(deep)}b = 1`],
    ["proto.json", '{"__proto__": {"setup": []}, "setup": []}'],
    ["none.json", "{"],
    ["empty.yaml", ""],
    ["zeros.toml", new Uint8Array(100)],
    ["latin1.json", new Uint8Array([0x22, 0xff, 0x22])],
    ["large.json", `{"setup": []}${" ".repeat(300_000)}`],
    ["name.ini", ""],
  ])("that is hostile (%s) is one readable error that names the file", async (name, text) => {
    const message = await failure(file(name, text));
    for (const line of message.split("\n")) expect(line).toStartWith(`--config ${join(home, name)}: `);
    expect(message.length).toBeLessThan(2000);
  });

  test("with a key twice in one place is refused, and names its lines; comments, texts and other rules are none", async () => {
    const lost = "setup:\n  - match: {slot: '4'}\n    kernel_driver: nvme\n    kernel_driver: vfio-pci\n";
    expect(await failure(file("twice.yaml", lost))).toEndWith(
      "expected kernel_driver once in one place, found it more often: look at lines 3, 4",
    );
    const whole = `setup:\n  - {match: {slot: "1"}, sriov_vfs: 4}\n${lost}`;
    expect(await failure(file("list.yml", whole))).toContain("setup once in one place");
    const json = '{"setup":[{"match":{"slot":"4","slot" :"5"},"sriov_vfs":1}]}';
    expect(await failure(file("twice.json", json))).toContain("expected slot once in one place");
    const fine = `# setup: of old
setup: # apply: auto
  - match: {slot: "a, slot: 5", vendor_id: '8086'}
    "sriov_vfs": 2
  - match: {slot: it's, address: 0000:3b:00.0}
    sriov_vfs: 2 # sriov_vfs: 4
`;
    expect(await readDesired(file("fine.yaml", fine))).toHaveLength(2);
    const same = "setup:\n  - match: &one {slot: '1'}\n    sriov_vfs: 1\n  - match: *one\n    sriov_vfs: 2\n";
    expect(await readDesired(file("alias.yaml", same))).toHaveLength(2);
    expect(
      await readDesired(file("one.json", JSON.stringify({ setup: [{ ...RULE, match: { slot: "#1" } }] }))),
    ).toEqual([{ ...RULE, match: { slot: "#1" } }]);
  });

  test("that does not parse is refused with the line, or one beside it", async () => {
    const rule = '{"match":{"slot":"4"},"sriov_vfs":1}';
    expect(await failure(file("bad.json", `{"setup":[\n${rule},\n${rule.replace("1", "one")},\n${rule}]}`))).toEndWith(
      "(at about line 3)",
    );
    const yaml = "setup:\n  - match: {slot: '4'}\n    sriov_vfs: 1\n   apply: auto\n  - match: {slot: '5'}\n";
    expect(await failure(file("bad.yaml", yaml))).toEndWith("(at about line 4)");
    expect(await failure(file("bad.toml", "a = 1\nb = 2\nb = 3\nc = 4\n"))).toEndWith("(at about line 3)");
  });

  test("that is a pipe, a folder or not there is an error, and nobody waits", async () => {
    const pipe = join(home, "pipe.json");
    expect(Bun.spawnSync(["mkfifo", pipe]).exitCode).toBe(0);
    expect(await failure(pipe)).toContain("no regular file");
    expect(await failure(join(home, "missing.json"))).toContain("ENOENT");
    expect(await failure("/proc/self.json")).toContain("ENOENT");
  });
});

describe("a rule", () => {
  const device = {
    device_type: "GPU",
    vendor_id: "10de",
    device_id: "20b2",
    slot: "4",
    address: "0000:3b:00.0",
    uuid: "8e45a2ea-5364-4b0d-a252-bf8becaa606e",
  };
  const rule = (match: object) => ({ match, apply: "auto" as const, kernel_driver: "vfio-pci" });

  test("is about a device of which all holds that it names", () => {
    expect(matches(rule({ device_type: "GPU", slot: "4" }), device)).toBe(true);
    expect(matches(rule({ device_type: "GPU", slot: "5" }), device)).toBe(false);
    for (const [key, value] of Object.entries(device)) {
      expect(matches(rule({ [key]: value }), device)).toBe(true);
      expect(matches(rule({ [key]: `${value}0` }), device)).toBe(false);
    }
  });

  test("that names a uuid waits until it is known which device has it, and so does one after it", () => {
    const one = rule({ uuid: device.uuid });
    const rest = rule({ vendor_id: "10de" });
    expect(ruleFor([one, rest], { ...device, uuid: null })).toBeNull();
    expect(ruleFor([rest, one], { ...device, uuid: null })).toBe(rest);
    expect(ruleFor([one, rest], device)).toBe(one);
    expect(ruleFor([one, rest], { ...device, uuid: crypto.randomUUID() })).toBe(rest);
  });

  test("that comes first counts", () => {
    const rules = [rule({ slot: "9" }), rule({ slot: "4" }), rule({ device_type: "GPU" })];
    expect(ruleFor(rules, device)).toBe(rules[1]!);
    expect(ruleFor([], device)).toBeNull();
  });
});
