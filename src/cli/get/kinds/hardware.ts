import type { Change } from "../../../contract/change.ts";
import { beginsUuid } from "../../../contract/device/uuid.ts";
import { DEVICE_TYPES, type FleetSource, Freshness, type Hardware, type Source } from "../../../contract/hardware.ts";
import type { Node } from "../../../contract/node.ts";
import { Exit } from "../../exit.ts";
import type { Conductor } from "../../operator/conductor.ts";
import { bodies } from "../../operator/pages.ts";
import { against, faults, linkOf, told } from "../../table.ts";
import { ago, orNone } from "../columns.ts";
import { type Asking, type Column, type Flags, type Kind, type Listed, textOf } from "../kind.ts";
import { theOne, type Words } from "../select.ts";
import { actionText, reasonText, shownOf, type Why, whyText } from "../shown.ts";
import { hasLabels, LABEL_OPTION, labelsOf, truth, word } from "../words.ts";
import { cordonWhy } from "./cordon.ts";
import { conditionType, deviceType, refuseUnknown } from "./known.ts";
import { nodeCalled } from "./nodes.ts";

/** A device, and its source where that has failed: it says why a device is shown as it was known last. */
export interface Device {
  hardware: Hardware;
  failed: Source | null;
}

/** By what a device of the fleet is told apart: one uuid may come from two sources. */
export const keyOf = ({ node, source, uuid }: Pick<Hardware, "node" | "source" | "uuid">) =>
  `${node.id} ${source} ${uuid}`;

export const wordsOf = ({ uuid, node, pci }: Hardware): Words => {
  const addresses = pci ? [pci.address, pci.address.replace(/^0000:/, "")] : [];
  return { id: uuid, names: addresses.flatMap((one) => [one, `${node.name}/${one}`]), node: node.name };
};

/** Asks for the devices whose id begins so. */
export const beginningWith = (said: string, filter = new URLSearchParams()): URLSearchParams => {
  const query = new URLSearchParams(filter);
  query.set("uuid", said.toLowerCase());
  return query;
};

/** What `--status` takes: the parts of a status as it is shown. */
export const STATUSES = ["Ready", "NotReady", "Stale", "Gone", "Cordoned"] as const;
type Status = (typeof STATUSES)[number];

function statusesOf({ freshness, acc_status, cordoned }: Hardware): Status[] {
  const word =
    freshness === "GONE" ? "Gone" : freshness === "STALE" ? "Stale" : acc_status.ready ? "Ready" : "NotReady";
  return cordoned ? [word, "Cordoned"] : [word];
}

/** A device's status in a word, and whether it is out of service; `ready` stays what the hardware says. */
export const statusOf = ({ hardware }: Device): string => statusesOf(hardware).join(",");

/** What the conductor is asked for to have the devices of one status. */
const ASKED: Record<Status, Record<string, string>> = {
  Ready: { ready: "true", freshness: "FRESH" },
  NotReady: { ready: "false", freshness: "FRESH" },
  Stale: { freshness: "STALE" },
  Gone: { freshness: "GONE" },
  Cordoned: { cordoned: "true" },
};

/** Why a device is as its status says, and since when. */
export function whyOf(device: Device): Why {
  const { since, said } = ofHardware(device);
  return { since, said: [...said, ...cordonWhy(device.hardware.cordoned)] };
}

function ofHardware({ hardware, failed }: Device): Why {
  const { acc_status, freshness } = hardware;
  const say = (conditions: Hardware["acc_status"]["conditions"]) =>
    conditions.map((one) => ({ text: told({ ...one, action: null }), action: one.action }));
  if (freshness === "GONE") {
    const gone = acc_status.conditions.find(({ type, status }) => type === "Present" && status === "false");
    return { since: gone?.since ?? null, said: say(gone ? [gone] : []) };
  }
  if (freshness === "STALE") {
    // What is known is when it was heard last, and not when it went wrong.
    const heard = failed?.observed_at ? "not heard since; " : "";
    const text = failed?.error
      ? `Stale: ${heard}source ${failed.name} is ${failed.error.code}: ${failed.error.message}`
      : `Stale: source ${hardware.source} gives no good answer`;
    const last = say(against(hardware));
    const action = `\`sinew describe node ${hardware.node.name}\` says more${last.length > 0 ? "; what follows was known last" : ""}`;
    return { since: failed?.observed_at ?? null, said: [{ text, action }, ...last] };
  }
  if (acc_status.ready) {
    const ill = faults(hardware);
    const well = acc_status.conditions.filter(({ type }) => type === "Responding" || type === "DriverBound");
    const since = (ill.length > 0 ? ill : well).map((one) => one.since);
    return { since: since.toSorted().at(ill.length > 0 ? 0 : -1) ?? hardware.first_seen, said: say(ill) };
  }
  const why = against(hardware);
  const said = say(why);
  // A seed driver's two booleans are all that it says.
  if (acc_status.setup_required && why.length === 0)
    said.push({ text: "SetupRequired: its driver says so", action: null });
  if (acc_status.reboot_required)
    said.push({ text: "RebootRequired: it is ready after one", action: "reboot its node" });
  const false_ = why.filter(({ status }) => status === "false");
  return { since: (false_.length > 0 ? false_ : why).map((one) => one.since).toSorted()[0] ?? null, said };
}

const COLUMNS: Column<Device>[] = [
  { heading: "ID", of: ({ hardware }) => hardware.uuid.slice(0, 8) },
  { heading: "NODE", of: ({ hardware }) => hardware.node.name },
  { heading: "TYPE", of: ({ hardware }) => hardware.acc_specs.device_type },
  { heading: "NAME", of: ({ hardware }) => hardware.name },
  { heading: "ADDRESS", of: ({ hardware }) => orNone(hardware.pci?.address) },
  { heading: "STATUS", of: statusOf },
  ago("SINCE", (device) => whyOf(device).since),
  { heading: "NUMA", wide: true, of: ({ hardware }) => orNone(hardware.pci?.numa_node) },
  { heading: "IOMMU GROUP", wide: true, of: ({ hardware }) => orNone(hardware.pci?.iommu_group) },
  { heading: "KERNEL DRIVER", wide: true, of: ({ hardware }) => orNone(hardware.pci?.kernel_driver) },
  { heading: "LINK", wide: true, of: ({ hardware }) => linkOf(hardware) },
  { heading: "SLOT", wide: true, of: ({ hardware }) => orNone(hardware.pci?.slot) },
  { heading: "SLOT LABEL", wide: true, of: ({ hardware }) => orNone(hardware.pci?.label) },
  { heading: "SERIAL", wide: true, of: ({ hardware }) => hardware.serials.map(({ value }) => value).join(",") },
  { heading: "FIRMWARE", wide: true, of: ({ hardware }) => orNone(hardware.attributes.firmware_version?.toString()) },
  {
    heading: "REASON",
    narrow: true,
    of: (device) => whyText(whyOf(device)) ?? "",
  },
  { heading: "REASON", wide: true, of: (device) => reasonText(whyOf(device)) ?? "" },
  { heading: "ACTION", wide: true, of: (device) => actionText(whyOf(device)) ?? "" },
];

export const hardware: Kind<Device> = {
  name: "hardware",
  one: "hardware",
  aliases: ["hw", "device", "devices"],
  summary: "the devices of the fleet: where, ready or not, why not, since when, and what to do",
  filters: (command) => {
    command
      .option("--node <NODE>", "of one node, by its name or id")
      .option("--type <TYPE>", `of one type: ${DEVICE_TYPES.join(", ")}`)
      .option("--vendor <ID>", "of one vendor, by its PCI id, such as 10de")
      .option(
        "--status <STATUS>",
        `of one status, or several with commas between: ${STATUSES.join(", ").toLowerCase()}`,
      )
      .option(
        "--ready <BOOLEAN>",
        "true: those that are ready, false: those that are not, or of which nobody knows now",
      )
      .option("--cordoned <BOOLEAN>", "true: those that are out of service, false: those that are not")
      .option("--freshness <WORD>", "FRESH, STALE (its source does not answer) or GONE")
      .option("--condition <TYPE>", "where this condition is false, such as DriverBound or LinkFull")
      .option(...LABEL_OPTION);
  },
  ask: (conductor, flags, ids) => asking(conductor, flags, ids),
  columns: COLUMNS,
  key: ({ hardware }) => keyOf(hardware),
  handle: ({ hardware }) => hardware.uuid,
  plain: (device) => ({ ...device.hardware, shown: shownOf(statusOf(device), whyOf(device)) }),
  none: "no device is like that",
  nothing: "there is no device",
  inFeed: true,
};

/** Asks for devices; what a change leaves out of the choice is judged here as the conductor judges it in a list. */
function asking(conductor: Conductor, flags: Flags, ids: string[]): Asking<Device> {
  const node = textOf(flags, "node");
  const vendor = textOf(flags, "vendor")?.toLowerCase().replace(/^0x/, "");
  if (vendor !== undefined && !/^[0-9a-f]{4}$/.test(vendor))
    throw new Exit(2, `--vendor: expected 4 hex digits, such as 10de, found ${JSON.stringify(flags.vendor)}`);
  const ready = truth("--ready", textOf(flags, "ready"));
  const freshness = word("--freshness", textOf(flags, "freshness"), Freshness.options);
  const statuses = textOf(flags, "status")
    ?.split(",")
    .flatMap((one) => word("--status", one, STATUSES) ?? []);
  if (statuses !== undefined && (ready !== undefined || freshness !== undefined))
    throw new Exit(2, "--status: expected it without --ready and --freshness, which it says already");
  const condition = conditionType(textOf(flags, "condition"));
  const cordoned = truth("--cordoned", textOf(flags, "cordoned"));
  const labels = labelsOf(textOf(flags, "label"));
  const device_type = deviceType(textOf(flags, "type"));
  const query = new URLSearchParams();
  const truths = { ready: ready?.toString(), cordoned: cordoned?.toString() };
  const asked = { node, device_type, vendor_id: vendor, ...truths, freshness, condition };
  // What is one of several is chosen here.
  const [status] = statuses?.length === 1 ? statuses : [];
  for (const [name, value] of Object.entries({ ...asked, ...(status ? ASKED[status] : {}) }))
    if (value !== undefined) query.set(name, value);
  for (const label of labels) query.append("label", label);

  const sources = new Map<string, Source>();
  const keySource = (node: { id: string }, name: string) => `${node.id} ${name}`;
  const device = (one: Hardware): Device => ({
    hardware: one,
    failed: sources.get(keySource(one.node, one.source)) ?? null,
  });
  const chosen = new Set<string>();
  /** Who is out of service: lists say it, and changes only when an operator did something about it. */
  const cordons = new Map<string, Hardware["cordoned"]>();

  const isStatus = (one: Hardware) => statuses === undefined || statusesOf(one).some((is) => statuses.includes(is));

  async function isChosen(one: Hardware): Promise<boolean> {
    if (ids.length > 0) return chosen.has(keyOf(one));
    if (node !== undefined && one.node.name !== node && one.node.id !== node.toLowerCase()) return false;
    if (device_type !== undefined && one.acc_specs.device_type !== device_type) return false;
    if (vendor !== undefined && one.pci?.vendor_id !== vendor) return false;
    if (ready !== undefined && (one.acc_status.ready && one.freshness === "FRESH") !== ready) return false;
    if (!isStatus(one)) return false;
    if (freshness !== undefined && one.freshness !== freshness) return false;
    if (cordoned !== undefined && Boolean(one.cordoned) !== cordoned) return false;
    const isFalse = ({ type, status }: { type: string; status: string }) => type === condition && status === "false";
    if (condition !== undefined && !one.acc_status.conditions.some(isFalse)) return false;
    if (labels.length === 0) return true;
    const at = (await conductor.find(`/nodes/${one.node.id}`)) as Node | null;
    return at !== null && hasLabels(at.labels, labels);
  }

  async function all(filter = query): Promise<Listed<Hardware>> {
    const rows: Hardware[] = [];
    let revision: number | null = null;
    for await (const page of bodies<Hardware>(conductor.ask, "hardware", "/hardware", filter)) {
      rows.push(...page.rows);
      for (const one of page.rows) cordons.set(keyOf(one), one.cordoned ?? null);
      revision ??= Number(page.body.revision);
      for (const one of (page.body.sources ?? []) as FleetSource[]) sources.set(keySource(one.node, one.name), one);
    }
    return { rows, revision: revision ?? 0 };
  }

  return {
    async list() {
      sources.clear();
      cordons.clear();
      const [only = ""] = ids.length === 1 ? ids : [];
      let listing = beginsUuid(only.toLowerCase()) ? await all(beginningWith(only, query)) : null;
      // What is like it, where there is none, is among all.
      if (listing === null || listing.rows.length === 0) listing = await all();
      const { rows: listed, revision } = listing;
      const rows = listed.filter(isStatus);
      // That it has no device is not to be said of a name that was misspelt.
      if (rows.length === 0 && node !== undefined) await nodeCalled(conductor, node);
      if (rows.length === 0) await refuseUnknown(conductor.ask, { type: device_type, condition });
      // The list has a hundred of the sources that failed: an outage has more.
      const unknown = ({ freshness, node, source }: Hardware) =>
        freshness === "STALE" && !sources.has(keySource(node, source));
      if (rows.some(unknown)) {
        const stale = new URLSearchParams({ status: "STALE" });
        for await (const page of bodies<FleetSource>(conductor.ask, "sources", "/sources", stale))
          for (const one of page.rows) sources.set(keySource(one.node, one.name), one);
      }
      const picked = ids.length === 0 ? rows : ids.map((id) => theOne(rows, id, "hardware", wordsOf));
      for (const one of ids.length === 0 ? [] : picked) chosen.add(keyOf(one));
      return { rows: picked.map(device), revision };
    },
    async touched({ kind, hardware: one, node: of, source, uuid, sources: said, cordoned: given }: Change) {
      for (const each of said ?? []) {
        if (each.status === "OK") sources.delete(keySource(of, each.name));
        else sources.set(keySource(of, each.name), each);
      }
      if (kind === "forgotten") {
        const ofNode = ({ hardware }: Device) => hardware.node.id === of.id;
        return { rows: [], forgotten: uuid === null ? ofNode : keyOf({ node: of, source: source ?? "", uuid }) };
      }
      let touched = one && (ids.length === 0 || chosen.has(keyOf(one))) ? [one] : [];
      // What is new, or is in service no more or again, itself or with its node, is asked for: only lists know all of that.
      // Where a source came or went, why its devices are as they are is another.
      if (given !== undefined || said?.length || touched.some((each) => !cordons.has(keyOf(each)))) {
        const { rows } = await all(new URLSearchParams({ node: of.id }));
        touched = one ? rows.filter((row) => keyOf(row) === keyOf(one)) : rows;
      }
      const rows: { row: Device; leaves: boolean }[] = [];
      for (const each of touched) {
        const whole = { ...each, cordoned: cordons.get(keyOf(each)) ?? null };
        rows.push({ row: device(whole), leaves: !(await isChosen(whole)) });
      }
      return { rows };
    },
  };
}
