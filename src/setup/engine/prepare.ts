import type { SetupPlan, SetupRequest } from "../../contract/device/setup.ts";
import type { Hardware } from "../../contract/hardware.ts";
import { SinewError } from "../../contract/problem.ts";
import type { Rule, Wanted } from "../desired/rule.ts";
import type { Facts } from "../facts/facts.ts";
import type { Hands } from "../hands/hands.ts";
import { type Aim, makePlan, stepsTo } from "../plan/plan.ts";
import { canForce } from "../plan/refusals.ts";
import type { Original, Step } from "../plan/steps.ts";
import { aimsIn, kindOf, nowOf, uuidOf, wantedOf } from "./aims.ts";
import { type Context, driversOf, look } from "./context.ts";
import type { DeviceRecord, JournalFunction } from "./records.ts";

/** A device as it is listed, with the rule that counts for it. */
export interface Known {
  device: Hardware;
  rule: Rule | null;
}

export interface Prepared {
  facts: Facts;
  functions: JournalFunction[];
  record: DeviceRecord;
  plan: SetupPlan;
  steps: Step[];
  aims: Aim[];
}

export function addressOf({ pci, uuid }: Hardware): string {
  if (pci) return pci.address;
  throw new SinewError("not_found", `${uuid} is at no PCI address that could be set up`);
}

/** What a request is about, with everything that is known of it at this moment. */
export async function prepare(
  context: Context,
  hands: Hands,
  { device, rule }: Known,
  request: SetupRequest,
  /** Who asks; `auto` leaves alone what somebody took back. */
  actor: string | null = null,
): Promise<Prepared> {
  const { sysfs, records, naming } = context;
  const at = { address: addressOf(device), uuid: device.uuid };
  const record = await records.load(device.uuid);
  const first = await look(context, hands, at);
  const functions = request.revert
    ? await backOf(context, first, device)
    : rule === null
      ? []
      : await wantedBy(context, first, rule, actor);
  // Which drivers there are is asked about once it is known which are meant.
  const facts = await look(context, hands, at, { drivers: driversOf(functions), holders: true });
  const originals = new Map<string, Original | null>();
  for (const fn of functions) originals.set(fn.address, (await records.load(fn.uuid)).original);
  const aims = aimsIn(facts, functions, "to").map((aim) => ({
    ...aim,
    original: originals.get(aim.fn.address) ?? null,
  }));
  const desired = request.revert ? record.original && wantedBack(record.original) : rule;
  const plan = makePlan({
    sysfs,
    facts,
    desired,
    aims,
    nameOf: (fn) => naming.listed(fn.address)?.name ?? `${fn.vendor_id}:${fn.device_id}`,
  });
  if (rule === null && !request.revert) {
    const reason = "no rule of this node's configuration (--config) is about this device";
    plan.refusals.push({ name: "no-rule", reason });
  }
  return { facts, functions, record, plan, aims, steps: stepsTo(sysfs, aims) };
}

/** The device, and what was set up with it that is no device of its own: the sound of a GPU. */
async function backOf({ records, naming }: Context, facts: Facts, { uuid }: Hardware): Promise<JournalFunction[]> {
  const functions: JournalFunction[] = [];
  const { device, group } = facts;
  const members = group.filter((fn) => kindOf(fn) === null);
  for (const fn of [device, ...members]) {
    const own = fn === device ? uuid : uuidOf(naming.nodeId, fn);
    const { original } = await records.load(own);
    if (original) functions.push({ uuid: own, address: fn.address, before: nowOf(facts, fn), to: { original } });
  }
  return functions;
}

async function wantedBy(
  { rules, naming, records }: Context,
  facts: Facts,
  rule: Rule,
  actor: string | null,
): Promise<JournalFunction[]> {
  const wanted: JournalFunction[] = [];
  for (const { rule: text, ...fn } of wantedOf(facts, rule, rules, naming)) {
    const member = fn.address !== facts.device.address;
    if (actor === "auto" && member && (await records.load(fn.uuid)).reverted === text) continue;
    wanted.push(fn);
  }
  return wanted;
}

const wantedBack = ({ driver, sriov }: Original): Wanted => ({
  kernel_driver: driver,
  ...(sriov && { sriov_vfs: sriov.enabled }),
});

/** Every reason in the answer, and what overrides it where something does. */
export function refused(refusals: SetupPlan["refusals"]): SinewError {
  const errors = refusals.map(({ name, reason }) => ({
    pointer: name,
    detail: canForce(name) ? `${reason}; force ${name} to do it nevertheless` : reason,
  }));
  return new SinewError("setup_refused", refusals.map(({ name, reason }) => `${name}: ${reason}`).join(". "), {
    errors,
  });
}
