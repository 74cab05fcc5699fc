import type { Hardware } from "../../contract/hardware.ts";
import type { Column } from "../get/kind.ts";
import { type Device, hardware as hardwareKind } from "../get/kinds/hardware.ts";
import { nodeCalled, nodes as nodeKind, nodeStatus, nodeWhy } from "../get/kinds/nodes.ts";
import { sources as sourceKind } from "../get/kinds/sources.ts";
import { plainOf } from "../get/show.ts";
import type { Conductor } from "../operator/conductor.ts";
import { all } from "../operator/pages.ts";
import { age } from "../show/age.ts";
import type { Section } from "../show/sections.ts";
import { alarmSection, changeSection } from "./hardware.ts";
import { alarmsOf, newestChanges, sourcesOf } from "./read.ts";

const CHANGES = 10;

/** All that is known of one node. Throws Exit where there is no such. */
export async function readNode(conductor: Conductor, said: string) {
  const node = await nodeCalled(conductor, said);
  const filter = new URLSearchParams({ node: node.id });
  const [hardware, sources, alarms, { changes }] = await Promise.all([
    all<Hardware>(conductor.ask, "hardware", "/hardware", filter),
    sourcesOf(conductor, node.id),
    alarmsOf(conductor, node.id, () => true),
    newestChanges(conductor, { node: node.id }, CHANGES),
  ]);
  return { node, hardware, sources, alarms, changes };
}

type Read = Awaited<ReturnType<typeof readNode>>;

/** Its devices, each with its source where that has failed. */
function devicesOf({ hardware, sources }: Read): Device[] {
  const failed = new Map(sources.filter(({ status }) => status !== "OK").map((one) => [one.name, one]));
  return hardware.map((one) => ({ hardware: one, failed: failed.get(one.source) ?? null }));
}

const firingOf = ({ alarms }: Read) => alarms.filter(({ state }) => state === "firing").map(({ kind }) => kind);

/** For programs. */
export const plainNode = (read: Read) => ({
  ...read,
  node: plainOf(nodeKind, { node: read.node, alarms: firingOf(read) }),
  hardware: devicesOf(read).map((device) => plainOf(hardwareKind, device)),
});

export function nodeSections(read: Read, now: number): Section[] {
  const { node, sources, alarms, changes } = read;
  const firing = firingOf(read);
  const { since, said } = nodeWhy(node, firing);
  const ago = (time: string | null) => (time === null ? "never" : `${age(time, now)} ago (${time.slice(0, 19)}Z)`);
  return [
    {
      heading: "",
      fields: [
        ["Name", node.name],
        ["ID", node.id],
        ["Status", `${nodeStatus(node)}${since === null ? "" : `, since ${ago(since)}`}`],
        ...said.flatMap(({ text, action }): [string, string | null][] => [
          ["Why", text],
          ["What to do", action],
        ]),
        ["Last seen", ago(node.last_seen)],
        ["First seen", ago(node.first_seen)],
        [
          "Labels",
          Object.entries(node.labels)
            .map((one) => one.join("="))
            .join(", "),
        ],
        ["Endpoint", node.endpoint],
        ["API", node.api ? `${node.api.min} to ${node.api.max}` : null],
        ["Key", node.key],
        ["Boot", node.boot_id],
      ],
    },
    {
      heading: "Conditions",
      none: firing.length === 0 ? "it says none" : "it says none; what fires of it is among the alarms below",
      rows: [
        ["TYPE", "STATUS", "SINCE", "REASON", "MESSAGE"],
        ...(node.conditions ?? []).map(({ type, status, since, reason, message }) => [
          ...[type, status, age(since, now), reason, message],
        ]),
      ],
    },
    { heading: "Hardware", none: "none", rows: tableRows(hardwareKind.columns, devicesOf(read), now) },
    { heading: "Sources", none: "none", rows: tableRows(sourceKind.columns, sources, now) },
    alarmSection(alarms, now),
    changeSection(changes, `sinew history node ${node.name}`, { about: true }),
  ];
}

/** The rows of a list without the column of the node, which is this one. */
function tableRows<T>(columns: Column<T>[], rows: readonly T[], now: number): string[][] {
  const shown = columns.filter(({ heading, wide }) => !wide && heading !== "NODE");
  return [shown.map(({ heading }) => heading), ...rows.map((row) => shown.map(({ of }) => of(row, { now }) || "-"))];
}
