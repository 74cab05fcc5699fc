import { mkdir, readdir, readFile, rename, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { HistoryEntry } from "../../contract/device/setup.ts";
import { PciAddress } from "../../contract/pci.ts";
import { appendLine, replaceFile, syncDirectory } from "../../disk.ts";
import type { Log } from "../../world.ts";
import type { Wanted } from "../desired/rule.ts";
import type { Original } from "../plan/steps.ts";

const Count = z.int().min(0).max(0xffff);
const Bound = z.object({ driver: z.string().nullable(), override: z.string().nullable() });
const KeptOriginal = Bound.extend({
  sriov: z.object({ enabled: Count, autoprobe: z.enum(["0", "1"]).nullable(), vfs: z.array(Bound) }).nullable(),
}) satisfies z.ZodType<Original>;
const KeptWanted = z.object({
  kernel_driver: z.string().nullable().optional(),
  sriov_vfs: Count.optional(),
  vf_driver: z.string().nullable().optional(),
}) satisfies z.ZodType<Wanted>;

/** What is kept of a device that was set up. */
const DeviceRecord = z.object({
  /** What it was before its first setup; null: it was never set up, or that is undone. */
  original: KeptOriginal.nullable(),
  /** The rule that was in force when somebody reverted it: it is not carried out again until somebody asks. */
  reverted: z.string().nullable(),
  /** The last attempt, where it failed. */
  failure: z
    .object({ rule: z.string().nullable(), time: z.iso.datetime(), attempts: z.int().min(1), message: z.string() })
    .nullable(),
});
export type DeviceRecord = z.infer<typeof DeviceRecord>;

const JournalFunction = z.object({
  uuid: z.guid(),
  address: PciAddress,
  before: KeptOriginal,
  /** What it was to become: by a rule, or back to an original. */
  to: z.union([z.object({ wanted: KeptWanted }), z.object({ original: KeptOriginal })]),
});
export type JournalFunction = z.infer<typeof JournalFunction>;

/** A setup that has begun to write, as its journal's first line has it. */
const Begun = z.object({
  operation: z.guid(),
  kind: z.enum(["apply", "revert"]),
  actor: z.string(),
  time: z.iso.datetime(),
  /** Of this run of the kernel: nothing written to sysfs outlives it. */
  boot: z.string(),
  uuid: z.guid(),
  address: PciAddress,
  rule: z.string().nullable(),
  functions: z.array(JournalFunction),
});
export type Begun = z.infer<typeof Begun>;

export interface Journal {
  readonly begun: Begun;
  /** Steps that began, with how each ended; null: that is not known. */
  readonly steps: readonly { entry: HistoryEntry; ended: boolean }[];
}

/** Kept of a device's history in each of two files. */
const KEPT = 1000;
const NONE: DeviceRecord = { original: null, reverted: null, failure: null };

/** The files of setups below `<state>/setup`. A device's are written by whoever has its lock. */
export function createRecords(state: string, log: Log) {
  const root = join(state, "setup");
  const folder = (uuid: string) => join(root, "devices", uuid);
  const journals = join(root, "journal");
  const locks = join(root, "locks");
  const journalFile = (operation: string) => join(journals, `${operation}.jsonl`);

  async function load(uuid: string): Promise<DeviceRecord> {
    const path = join(folder(uuid), "device.json");
    const text = await readOrNull(path);
    const record = text === null ? NONE : parse(text);
    if (record === null) {
      // What it was is lost: said, and never guessed.
      log("error", `${path} holds no record of a setup; it is set aside`, { device: uuid });
      await setAside(path);
    }
    return record ?? NONE;
  }

  /** Two may find it at the same time. */
  async function setAside(path: string): Promise<void> {
    await rename(path, `${path}.corrupt`).catch((error) => {
      if (!isAbsent(error)) throw error;
    });
  }

  return {
    load,
    async save(uuid: string, record: DeviceRecord): Promise<void> {
      await mkdir(folder(uuid), { recursive: true, mode: 0o700 });
      await replaceFile(join(folder(uuid), "device.json"), `${JSON.stringify(record)}\n`);
      await syncDirectory(join(root, "devices"));
    },
    async lockFile(name: string): Promise<string> {
      await mkdir(locks, { recursive: true, mode: 0o700 });
      return join(locks, `${name}.lock`);
    },
    /** Begins a journal; what it resolved for is there after a power failure. */
    async begin(begun: Begun): Promise<void> {
      await mkdir(journals, { recursive: true, mode: 0o700 });
      // As a whole: whoever looks for unfinished ones meanwhile finds it or not, and never a part.
      await replaceFile(journalFile(begun.operation), JSON.stringify({ begun }));
      await syncDirectory(root);
    },
    note: (operation: string, entry: HistoryEntry, ended: boolean): Promise<void> =>
      appendLine(journalFile(operation), JSON.stringify({ entry, ended })),
    async finish(operation: string): Promise<void> {
      await unlink(journalFile(operation));
      await syncDirectory(journals);
    },
    /** Setups whose process has not come to their end, the oldest first. */
    async unfinished(): Promise<Journal[]> {
      const names = await readdir(journals).catch((error) => {
        if (isAbsent(error)) return [];
        throw error;
      });
      const found: Journal[] = [];
      for (const name of names.filter((one) => one.endsWith(".jsonl"))) {
        const path = join(journals, name);
        const text = await readOrNull(path);
        // It has ended since the folder was read.
        if (text === null) continue;
        const journal = parseJournal(text);
        if (journal) found.push(journal);
        else {
          log("error", `${path} is no journal of a setup; it is set aside, and what it was about is not looked at`);
          await setAside(path);
        }
      }
      return found.sort((a, b) => (a.begun.time < b.begun.time ? -1 : 1));
    },
    /** Adds a write to a device's history; the oldest are let go. */
    async remember(uuid: string, entry: HistoryEntry): Promise<void> {
      const path = join(folder(uuid), "history.jsonl");
      await mkdir(folder(uuid), { recursive: true, mode: 0o700 });
      await appendLine(path, JSON.stringify(entry));
      // An entry has some 300 bytes: only a file of about so many is worth counting.
      if ((await stat(path)).size < KEPT * 200) return;
      if (linesOf((await readOrNull(path)) ?? "").length >= KEPT) await rename(path, `${path}.1`);
    },
    /** The newest first. */
    async history(uuid: string): Promise<HistoryEntry[]> {
      const path = join(folder(uuid), "history.jsonl");
      const texts = await Promise.all([readOrNull(`${path}.1`), readOrNull(path)]);
      const entries = texts
        .flatMap((text) => linesOf(text ?? ""))
        .flatMap((line) => HistoryEntry.safeParse(json(line)).data ?? []);
      return entries.reverse().slice(0, KEPT);
    },
  };
}
export type Records = ReturnType<typeof createRecords>;

const linesOf = (text: string) => text.split("\n").filter((line) => line !== "");

async function readOrNull(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (isAbsent(error)) return null;
    throw error;
  }
}

const isAbsent = (error: unknown) => error instanceof Error && "code" in error && error.code === "ENOENT";

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // a line that a power failure cut off
  }
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;

const parse = (text: string): DeviceRecord | null => DeviceRecord.safeParse(json(text)).data ?? null;

function parseJournal(text: string): Journal | null {
  const [first, ...rest] = linesOf(text).map(json);
  const begun = isObject(first) ? Begun.safeParse(first.begun).data : undefined;
  if (!begun) return null;
  const steps = new Map<string, { entry: HistoryEntry; ended: boolean }>();
  for (const line of rest) {
    if (!isObject(line)) continue;
    const entry = HistoryEntry.safeParse(line.entry).data;
    // A write that ended is the one that began at the same time.
    if (entry) steps.set(`${entry.time} ${entry.path} ${entry.to}`, { entry, ended: line.ended === true });
  }
  return { begun, steps: [...steps.values()] };
}
