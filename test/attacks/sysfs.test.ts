import { afterAll, afterEach, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statfsSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FleetHardwareList, type Hardware, HardwareList } from "../../src/contract/hardware.ts";
import { cleanEnv, run } from "../cli/run.ts";
import { type Random, random, seed } from "../fuzz/random.ts";
import { endAll, startSinew, until } from "../support/process.ts";
import { type Device, makeTree, syntheticHost, type Tree } from "../support/tree.ts";

const ROUNDS = Math.max(2, Math.floor(Number(process.env.SINEW_TEST_BUDGET ?? 0) / 2000));
const folder = mkdtempSync(join(tmpdir(), "sinew-fuzz-sysfs-"));
let trees: Tree[] = [];
afterEach(async () => {
  await endAll();
  for (const tree of trees) tree.close();
  trees = [];
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What may not reach a person's terminal: all that is no character to be seen, but for the end of a line. */
const UNSEEN = /[^\P{Cc}\n]|[\p{Cf}\u2028\u2029]/u;
const TEXTS = [
  ...[
    "",
    "\n",
    "0x",
    "-1\n",
    "0x1234567890\n",
    "\0\0\0",
    "1e400\n",
    "NaN\n",
    "99999999999999999999\n",
    "(null)\n",
    "255\n",
  ],
  ...[
    "\x1b[2J\x1b[31mowned\x1b]0;title\x07\n",
    "\u009b31m\n",
    "\u202eevil\u2066\n",
    "a\tb\rc\x7f\n",
    "\u2028\u2029\ufeff\n",
  ],
  ...[
    "x".repeat(70_000),
    "\ufffd\u{10ffff}\n",
    "a\nb\nc\n",
    "<b>&amp;\"'</b>\n",
    "__proto__\n",
    "\u{1f4a3}\u0301\u0301\n",
  ],
];
/** File names take anything but a slash and a zero. */
const NAMES = [
  "\x1b[31mred",
  "new\nline",
  "\u009b2J",
  "\u202egnp",
  " ",
  "__proto__",
  "constructor",
  "a".repeat(200),
  "\u0301",
];
const ATTRIBUTES = [
  ...["revision", "subsystem_vendor", "subsystem_device", "irq", "enable", "numa_node", "resource", "uevent", "label"],
  ...["current_link_speed", "max_link_speed", "current_link_width", "max_link_width", "power/runtime_status"],
  ...["sriov_totalvfs", "sriov_numvfs", "secondary_bus_number", "config"],
];
const IDS = ["vendor", "device", "class"];

const gpu = (address: string): Device => ({
  ...{ address, vendor: "10de", device: "2331", class: "030200", revision: "a1", subsystem: "10de:1626" },
  ...{
    driver: "nvidia",
    numaNode: 1,
    iommuGroup: 4,
    serial: "2b-0a-50-31-8c-38-25-00",
    slot: `s${address}`,
    label: "bay",
  },
});

/** One thing wrong with a function, as a broken card, a hostile one or another's tree has it. */
function spoil(tree: Tree, address: string, attributes: readonly string[], good: Uint8Array, chance: Random): void {
  const at = tree.directory(address);
  const name = chance.pick(attributes);
  const path = join(at, name);
  const gone = () => rmSync(path, { recursive: true, force: true });
  // In the place of what is there, which may lead elsewhere by now.
  const write = (content: string | Uint8Array) => {
    gone();
    writeFileSync(path, content);
  };
  const link = (to: string) => {
    gone();
    symlinkSync(to, path);
  };
  const acts: (() => void)[] = [
    gone,
    () => write(chance.pick(TEXTS)),
    () => write(chance.bytes(chance.int(400))),
    () => write(chance.bytes(100_000)),
    () => chmodSync(path, 0),
    () => {
      gone();
      mkdirSync(path);
    },
    () => link(name.split("/").at(-1) ?? ""),
    () => link("/dev/zero"),
    () => {
      const other = join(at, chance.pick(["driver", "iommu_group", "physfn", "subsystem", "virtfn0"]));
      rmSync(other, { force: true });
      symlinkSync(
        chance.pick([".", "..", other, "/proc", "x/".repeat(500), ...NAMES.map((odd) => `../drivers/${odd}`)]),
        other,
      );
    },
    () => {
      // Config space as it begins, and capabilities as they come.
      const config = Uint8Array.from(good);
      for (let left = 1 + chance.int(40); left > 0; left--) config[0x34 + chance.int(0x200)] = chance.int(256);
      rmSync(join(at, "config"), { recursive: true, force: true });
      tree.setConfig(address, config.subarray(0, chance.pick([0, 1, 63, 64, 65, 256, 257, 4096])));
    },
  ];
  try {
    chance.pick(acts)();
  } catch {
    // An earlier act took away what this one would spoil.
  }
}

/** A bus of functions with something wrong, a sound one, and entries that are no functions. */
function spoiledBus(chance: Random) {
  const tree = makeTree();
  trees.push(tree);
  const address = (index: number) => `0000:0${index >> 5}:${(index & 31).toString(16).padStart(2, "0")}.0`;
  const sound = address(0);
  const named: string[] = [];
  const unnamed: string[] = [];
  tree.add(gpu(sound));
  const good = tree.config(sound);
  for (let index = 1; index < 64; index++) {
    const here = address(index);
    tree.add(gpu(here));
    // Of some, what they are, too: those have to be told of, whatever they are.
    const known = chance.chance(80);
    (known ? named : unnamed).push(here);
    for (let left = 1 + chance.int(4); left > 0; left--) {
      spoil(tree, here, known ? ATTRIBUTES : [...IDS, ...ATTRIBUTES], good, chance);
    }
  }
  const bus = join(tree.sysfs, "bus/pci");
  for (const name of NAMES) {
    symlinkSync(chance.pick([".", "../../..", "/proc", name]), join(bus, "devices", name));
    mkdirSync(join(bus, "slots", name));
    writeFileSync(join(bus, "slots", name, "address"), chance.pick([`${address(3).slice(0, -2)}\n`, ...TEXTS]));
  }
  return { tree, sound, named, unnamed };
}

/** A read that never returns, as of a card that is dying: the open of a FIFO waits for who writes. */
function hang(tree: Tree, address: string, name: string): void {
  const fifo = join(tree.directory(address), name);
  rmSync(fifo, { recursive: true, force: true });
  if (Bun.spawnSync(["mkfifo", fifo]).exitCode !== 0) throw new Error("no mkfifo");
}

const addresses = (hardware: readonly Hardware[]) => new Set(hardware.map(({ pci }) => pci?.address));
const env = cleanEnv(folder);

test.each(Array.from({ length: ROUNDS }, (_, round) => round))(
  "sinew scan loses no device of a spoiled bus, and says nothing that a terminal obeys (%d)",
  async (round) => {
    const replay = `SINEW_TEST_SEED=${seed}, round ${round}`;
    const { tree, sound, named, unnamed } = spoiledBus(random("sysfs", round));
    const options = ["--all", "--sysfs", tree.sysfs, "--state", folder];
    const [table, json] = await Promise.all([run(["scan", ...options], env), run(["scan", ...options, "--json"], env)]);
    expect([replay, table.code, json.code]).toEqual([replay, 0, 0]);
    for (const said of [table.out, table.err, json.err]) expect([replay, UNSEEN.exec(said)]).toEqual([replay, null]);

    const { hardware } = HardwareList.parse(JSON.parse(json.out));
    const listed = addresses(hardware as Hardware[]);
    expect([replay, [sound, ...named].filter((one) => !listed.has(one))]).toEqual([replay, []]);
    const told = (one: string) => listed.has(one) || json.err.includes(one);
    expect([replay, unnamed.filter((one) => !told(one))]).toEqual([replay, []]);
    const well = hardware.find(({ pci }) => pci?.address === sound);
    expect([replay, well]).toMatchObject([replay, { acc_status: { ready: true } }]);
  },
  60_000,
);

test("a spoiled bus passes through agent and conductor: nothing fails, hangs or is lost", async () => {
  const replay = `SINEW_TEST_SEED=${seed}`;
  const { tree, sound, named } = spoiledBus(random("sysfs", "start"));
  const dying = "0000:09:00.0";
  tree.add(gpu(dying));
  hang(tree, dying, "config");
  const state = join(folder, "state");
  const sinew = await startSinew(["--auth", "open", "--sysfs", tree.sysfs, "--state", state]);
  const get = async (path: string) => {
    const response = await fetch(sinew.url + path);
    if (response.status !== 200) throw new Error(`${replay}: ${path} answered ${response.status}`);
    return response.json();
  };
  const fleet = async () => FleetHardwareList.parse(await get("/hardware?limit=1000"));
  await until(async () => (await fleet()).hardware.length > named.length + 1);
  const { hardware, sources } = await fleet();
  expect([replay, sources]).toEqual([replay, []]);
  const listed = addresses(hardware as Hardware[]);
  expect([replay, [sound, ...named].filter((one) => !listed.has(one))]).toEqual([replay, []]);
  expect(hardware.find(({ pci }) => pci?.address === sound)).toMatchObject({ acc_status: { ready: true } });
  // It never came as far as its ids.
  const hung = hardware.find(({ name }) => name.includes(dying))?.acc_status;
  expect(hung).toMatchObject({ ready: false, conditions: [{ type: "Responding", reason: "Hung" }] });

  const below = HardwareList.parse(await get("/agent/hardware"));
  expect(below.hardware).toHaveLength(hardware.length);
  for (const { name } of below.sources) HardwareList.parse(await get(`/drivers/${name}/hardware`));
  for (const { uuid } of hardware) await get(`/hardware/${uuid}`);
  expect(await sinew.stop("SIGTERM")).toBe(0);
  expect([replay, UNSEEN.exec(sinew.log() + sinew.output)]).toEqual([replay, null]);
}, 60_000);

/** Makes a big tree in memory where there is room: thirty thousand files take a disk up to half a minute. */
function inMemory<T>(make: () => T): T {
  const before = process.env.TMPDIR;
  const room = existsSync("/dev/shm") ? statfsSync("/dev/shm") : null;
  if (room && room.bavail * room.bsize > 512 * 1024 * 1024) process.env.TMPDIR = "/dev/shm";
  try {
    return make();
  } finally {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  }
}

test("a bus of a thousand functions passes through agent and conductor", async () => {
  const tree = inMemory(() => syntheticHost(1000));
  trees.push(tree);
  const count = readdirSync(join(tree.sysfs, "bus/pci/devices")).length;
  const json = await run(["scan", "--all", "--sysfs", tree.sysfs, "--state", folder, "--json"], env);
  expect([json.code, json.err]).toEqual([0, ""]);
  const { hardware } = HardwareList.parse(JSON.parse(json.out));
  expect([count, hardware.length]).toEqual([1000, 1000]);
  const accelerators = hardware
    .filter(({ acc_specs }) => acc_specs.device_type !== "GENERIC")
    .map(({ pci }) => pci?.address);

  const sinew = await startSinew(["--auth", "open", "--sysfs", tree.sysfs, "--state", join(folder, "many")]);
  const seen = new Set<string | undefined>();
  await until(async () => {
    let token = "";
    do {
      const query = token === "" ? "" : `&page_token=${encodeURIComponent(token)}`;
      const page = FleetHardwareList.parse(await (await fetch(`${sinew.url}/hardware?limit=1000${query}`)).json());
      for (const { pci } of page.hardware) seen.add(pci?.address);
      token = page.next_page_token ?? "";
    } while (token !== "");
    return seen.size >= accelerators.length;
  });
  expect(accelerators.filter((address) => !seen.has(address))).toEqual([]);
}, 60_000);
