import type { Hardware } from "../contract/hardware.ts";
import { SinewError } from "../contract/problem.ts";
import type { DeviceSetup } from "../tiers/device.ts";
import { createLimiter } from "../tiers/limiter.ts";
import { matches, matchText, type Rule, ruleFor, ruleText } from "./desired/rule.ts";
import { matchable as matchableFunction } from "./engine/aims.ts";
import type { Deadlines } from "./engine/carry-out.ts";
import { type Context, messageOf } from "./engine/context.ts";
import { createEngine } from "./engine/engine.ts";
import { noteFailure } from "./engine/failure.ts";
import { withConfigured, withVfDriver } from "./engine/judge.ts";
import type { Known } from "./engine/prepare.ts";
import { createRecords } from "./engine/records.ts";
import { recover } from "./engine/recover.ts";
import { groupMembers, readFunction } from "./facts/functions.ts";
import { childHands } from "./hands/child.ts";
import type { Hands } from "./hands/hands.ts";

export interface SetupOptions {
  /** The node's state directory; journals, originals and history are in `setup` below it. */
  state: string;
  sysfs: string;
  proc?: string;
  node: { id: string };
  rules: readonly Rule[];
  world: Context["world"];
  /** The URL of the conductor that this node reports to; null: none. */
  conductor?: () => string | null;
  /** The uuid under which the node's agent lists what this driver calls `uuid`; null: it has not yet heard of it. */
  nodeUuid?: (driver: string, uuid: string) => string | null;
  makeHands?: () => Hands;
  deadlines?: Partial<Deadlines>;
}

const DEADLINES: Deadlines = { stepMs: 30_000, vfMs: 1000, settleMs: 3000, pollMs: 100 };
/** After a failure `auto` waits so long, and twice as long after each further one, up to the most. */
const BACK_OFF_MS = 60_000;
const MOST_MS = 3_600_000;
const AUTO = "auto";
/** Between two attempts in any case, so that nothing that undoes a setup makes a loop with it. */
const REST_MS = 10_000;
/** At once: each is a process, which goes through all others of the machine. */
const PLANS = 4;

/** What the setup knows to do for one driver's devices. */
export interface DriverSetup extends DeviceSetup {
  /** The devices as their rules see them: with a Configured condition where one counts. */
  judge(hardware: Hardware[]): Promise<Hardware[]>;
  /** Carries out what rules of `apply: auto` want of the devices judged last; whether anything was tried. */
  auto(): Promise<boolean>;
}

/** The setup of a node's devices. Nothing is read or written before a call. */
export function createSetup(options: SetupOptions) {
  const { world, rules, node, proc = "/proc" } = options;
  const records = createRecords(options.state, world.log);
  const nodeUuid = options.nodeUuid ?? ((_: string, uuid: string) => uuid);
  const lists: Map<string, Hardware>[] = [];
  const listed = (address: string) => lists.flatMap((list) => list.get(address) ?? [])[0] ?? null;
  const context: Context = {
    sysfs: options.sysfs,
    proc,
    rules,
    naming: {
      nodeId: node.id,
      nodeUuid,
      listed: (address) => {
        const found = listed(address);
        return found && { name: found.name, slot: found.pci?.slot ?? null };
      },
    },
    records,
    deadlines: { ...DEADLINES, ...options.deadlines },
    world,
    makeHands: options.makeHands ?? (() => childHands({ proc })),
    conductor: options.conductor ?? (() => null),
    planning: createLimiter(PLANS),
    stuck: new Map(),
  };
  /** Until when `auto` leaves a device alone, also where a failure could not be kept. */
  const resting = new Map<string, number>();
  /** Before anything else is written, what an earlier run left is dealt with. */
  let recovered: Promise<void> | null = null;
  const ready = () => {
    recovered ??= recover(context).catch((error) => {
      // Another try may find the disk better.
      recovered = null;
      throw error;
    });
    return recovered;
  };

  const matchable = ({ uuid, source, acc_specs, pci }: Hardware) => ({
    device_type: acc_specs.device_type,
    vendor_id: pci?.vendor_id ?? "",
    device_id: pci?.device_id ?? "",
    slot: pci?.slot ?? null,
    address: pci?.address ?? "",
    uuid: nodeUuid(source, uuid),
  });

  function ruleOf(device: Hardware): Rule | null {
    const pf = device.pci?.sriov?.pf;
    if (!pf) return device.pci && ruleFor(rules, matchable(device));
    // A VF is its PF's where that says what is bound to it, and no VF has VFs.
    if (vfRule(pf)) return null;
    return ruleFor(
      rules.filter(({ sriov_vfs, vf_driver }) => sriov_vfs === undefined && vf_driver === undefined),
      matchable(device),
    );
  }

  function vfRule(pf: string): Rule | null {
    const above = listed(pf);
    const rule = above && ruleFor(rules, matchable(above));
    return rule?.vf_driver === undefined ? null : rule;
  }

  /** One driver's part; `refresh` is called when something may have been written. */
  function forDriver({ refresh }: { refresh(): void }): DriverSetup {
    let list = new Map<string, Hardware>();
    lists.push(list);
    const own = lists.length - 1;
    const find = (uuid: string): Known => {
      const device = [...list.values()].find((one) => one.uuid === uuid);
      if (device) return { device, rule: ruleOf(device) };
      throw new SinewError("not_found", `no device ${uuid} is listed here at present`);
    };
    const engine = createEngine(context, find, refresh);

    async function judge(hardware: Hardware[]): Promise<Hardware[]> {
      list = new Map(hardware.flatMap((device) => (device.pci ? [[device.pci.address, device]] : [])));
      lists[own] = list;
      if (rules.length === 0) return hardware;
      return Promise.all(hardware.map(judgeOne));
    }

    async function judgeOne(device: Hardware): Promise<Hardware> {
      const { pci } = device;
      if (!pci) return device;
      const pf = pci.sriov?.pf ?? null;
      const vf = pf === null ? null : vfRule(pf);
      if (vf && pf !== null) return withVfDriver(device, { pci, pf, driver: vf.vf_driver ?? null, now: world.now() });
      const rule = ruleOf(device);
      if (!rule) return device;
      const record = await records.load(device.uuid);
      const judged = withConfigured(device, { pci, rule, record, roots: context, now: world.now() });
      list.set(pci.address, judged);
      return judged;
    }

    let running: Promise<boolean> | null = null;
    /** Once at a time: whoever asks meanwhile hears of the same. */
    function auto(): Promise<boolean> {
      running ??= autoOnce().finally(() => {
        running = null;
      });
      return running;
    }

    async function autoOnce(): Promise<boolean> {
      let tried = false;
      await ready();
      for (const device of [...list.values()]) {
        const rule = ruleOf(device);
        if (rule?.apply !== "auto" || !wants(device) || !(await isDue(device.uuid, rule))) continue;
        tried = true;
        resting.set(device.uuid, world.monotonic() + REST_MS);
        await automatic(device.uuid, rule);
      }
      return tried;
    }

    async function automatic(uuid: string, rule: Rule): Promise<void> {
      const operation = world.uuid();
      try {
        await engine.apply(uuid, {}, { operation, actor: AUTO, onProgress() {} });
        world.log("info", "set up as configured", { device: uuid, operation });
      } catch (error) {
        const code = error instanceof SinewError ? error.code : null;
        if (code === "busy" || code === "not_found") return;
        world.log("warn", "a device could not be set up as configured", {
          device: uuid,
          operation,
          error: messageOf(error),
        });
        resting.set(uuid, world.monotonic() + BACK_OFF_MS);
        // A failure after the first write is kept by the engine; a refusal is one for this purpose, too.
        if (code === "setup_refused") await noteFailure(context, { uuid, rule: ruleText(rule) }, messageOf(error));
      }
    }

    return {
      ...engine,
      apply: async (uuid, request, asked) => {
        await ready();
        // The node itself is called so, and nobody else.
        await engine.apply(uuid, request, asked.actor === AUTO ? { ...asked, actor: `"${AUTO}"` } : asked);
      },
      judge,
      auto,
    };
  }

  async function isDue(uuid: string, rule: Rule): Promise<boolean> {
    if (world.monotonic() < (resting.get(uuid) ?? 0)) return false;
    const { failure } = await records.load(uuid);
    if (failure?.rule !== ruleText(rule)) return true;
    const passed = world.now().getTime() - new Date(failure.time).getTime();
    // A clock that was set back says nothing.
    return passed < 0 || passed >= Math.min(MOST_MS, BACK_OFF_MS * 2 ** Math.min(failure.attempts - 1, 10));
  }

  return {
    forDriver,
    /** Deals with what an earlier run has not ended; once, and before the first setup in any case. */
    recover: ready,
    /** Rules that are about no device that is listed, nor about what shares an IOMMU group with one. */
    unmatched(): string[] {
      const devices = lists.flatMap((list) => [...list.values()]);
      const groups = new Set(devices.flatMap(({ pci }) => pci?.iommu_group ?? []));
      const members = [...groups]
        .flatMap((group) => groupMembers(options.sysfs, group))
        .flatMap((address) => (listed(address) ? [] : (readFunction(options.sysfs, address) ?? [])));
      const all = [...devices.map(matchable), ...members.map((fn) => matchableFunction(context.naming, fn))];
      return rules.filter((rule) => !all.some((one) => matches(rule, one))).map(({ match }) => matchText(match));
    },
  };
}
export type Setup = ReturnType<typeof createSetup>;

/** Whether `auto` has something to do: a reboot is a person's, and what was reverted stays so. */
function wants({ acc_status }: Hardware): boolean {
  const said = acc_status.conditions.find(({ type }) => type === "Configured");
  return said?.status === "false" && said.reason !== "RebootNeeded" && said.reason !== "Reverted";
}
