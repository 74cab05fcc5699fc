import type { Condition } from "../../contract/condition.ts";
import type { PciFunction } from "../../pci/function.ts";
import type { Log, Store } from "../../world.ts";
import { errorFree, remember } from "./errors.ts";
import { type DeviceMemory, parseMemory } from "./memory.ts";
import type { Said } from "./said.ts";
import { settle, takesEvidence } from "./settle.ts";

/** What a driver knows of its devices' past, so that what is shown follows evidence and no single reading. */
export interface Health {
  /** Begins with a scan: what it does not list is forgotten, and begins anew when it returns. */
  begin(scan: { functions: readonly PciFunction[]; problems: readonly { name?: string }[] }): void;
  /** The conditions to show for one reading of a function. Asked again about the same reading it answers the same. */
  judge(fn: PciFunction, said: readonly Said[], now: Date): Condition[];
  /** Some condition waits for readings that confirm it: a scan soon is worth its while. */
  readonly unsettled: boolean;
  /**
   * Keeps what was judged. Resolves at once where all is well, else when it is kept, or could not be, which is in the
   * log: what was shown as bad must be bad after a kill, too.
   */
  saved(): Promise<void>;
}

export interface HealthOptions {
  store: Store;
  log: Log;
}

/** Loads what was remembered; what is no memory of ours is set aside, and everything is seen for the first time. */
export async function createHealth({ store, log }: HealthOptions): Promise<Health> {
  const devices = await load(store, log);
  const waiting = new Set<string>();
  const begun = new WeakSet<object>();
  const judged = new WeakMap<PciFunction, Condition[]>();
  let changed = false;
  let bad = false;
  let saving: Promise<void> = Promise.resolve();

  function judge(fn: PciFunction, said: readonly Said[], now: Date): Condition[] {
    const key = keyOf(fn);
    const before = devices.get(key);
    const memory: DeviceMemory = { address: fn.address, conditions: {}, errors: before?.errors ?? null };
    if (fn.aer !== null) memory.errors = remember(memory.errors, fn.aer, now.getTime());
    waiting.delete(key);
    const shown = said.map((one) => {
      // Errors rise between two readings: only a memory tells.
      const raw = one.type === "ErrorFree" && before?.errors ? errorFree(fn, memory.errors) : one;
      const settled = settle(before?.conditions[one.type], raw, now.toISOString());
      // Of two conditions of one type the first is remembered.
      memory.conditions[one.type] ??= settled.memory;
      if (settled.waits) waiting.add(key);
      if (settled.waits || (settled.shown.status === "false" && takesEvidence(one.type))) bad = true;
      return settled.shown;
    });
    if (JSON.stringify(before) !== JSON.stringify(memory)) changed = true;
    devices.set(key, memory);
    return shown;
  }

  async function save(): Promise<void> {
    if (!changed) return;
    changed = false;
    try {
      await store.save({ version: 1, devices: Object.fromEntries(devices) });
    } catch (error) {
      // It is tried again with the next scan: until then a restart would forget.
      changed = true;
      const message = error instanceof Error ? error.message : String(error);
      log("error", "the devices' health could not be kept", { error: message });
    }
  }

  return {
    begin(scan) {
      // Each driver begins with it. Those that come late must not forget what a newer scan brought.
      if (begun.has(scan)) return;
      begun.add(scan);
      const { functions, problems } = scan;
      const here = new Set(functions.map(keyOf));
      const unread = new Set(problems.map(({ name }) => name));
      for (const [key, { address }] of devices) {
        if (here.has(key) || unread.has(address)) continue;
        devices.delete(key);
        waiting.delete(key);
        changed = true;
      }
    },
    judge(fn, said, now) {
      const known = judged.get(fn) ?? judge(fn, said, now);
      judged.set(fn, known);
      return known;
    },
    get unsettled() {
      return waiting.size > 0;
    },
    saved() {
      saving = saving.then(save);
      const waited = bad ? saving : Promise.resolve();
      bad = false;
      return waited;
    },
  };
}

/** What a device's identity is made of: where it sits and what it is. */
const keyOf = ({ path, vendor_id, device_id }: PciFunction) => `${path} ${vendor_id}:${device_id}`;

async function load(store: Store, log: Log): Promise<Map<string, DeviceMemory>> {
  const document = await store.load();
  if (document === null || document === undefined) return new Map();
  try {
    return parseMemory(document);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    log("error", "the devices' health is seen anew: what was kept of it cannot be read", { error: error.message });
    await store.setAside?.(`no memory of health: ${error.message}`);
    return new Map();
  }
}
