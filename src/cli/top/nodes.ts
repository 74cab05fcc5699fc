import type { AlarmKind } from "../../contract/fleet/alarm.ts";
import type { Hardware } from "../../contract/hardware.ts";
import type { Node } from "../../contract/node.ts";
import type { Column } from "../get/kind.ts";
import { type Machine, nodes as nodeKind, nodeWhy } from "../get/kinds/nodes.ts";
import type { Conductor } from "../operator/conductor.ts";
import { all } from "../operator/pages.ts";

export interface Counted {
  node: Node;
  devices: { total: number; ready: number; stale: number; gone: number };
  /** Of those that fire. */
  alarms: AlarmKind[];
}

/** Counts what is in each node, and what fires of it: those with trouble first. */
export async function counted(conductor: Conductor, machines: readonly Machine[]): Promise<Counted[]> {
  const devices = await all<Hardware>(conductor.ask, "hardware", "/hardware");
  const inside = Map.groupBy(devices, ({ node }) => node.id);
  const rows = machines.map(({ node, alarms }): Counted => {
    const own = inside.get(node.id) ?? [];
    const count = (is: (device: Hardware) => boolean) => own.filter(is).length;
    return {
      node,
      devices: {
        total: own.length,
        ready: count(({ freshness, acc_status }) => freshness === "FRESH" && acc_status.ready),
        stale: count(({ freshness }) => freshness === "STALE"),
        gone: count(({ freshness }) => freshness === "GONE"),
      },
      alarms,
    };
  });
  return rows.toSorted(
    (a, b) => b.alarms.length - a.alarms.length || unready(b) - unready(a) || (a.node.name < b.node.name ? -1 : 1),
  );
}

const unready = ({ devices }: Counted) => devices.total - devices.ready;

const own = nodeKind.columns.filter(({ heading }) => ["ID", "NAME", "STATUS", "LAST SEEN"].includes(heading));

export const COLUMNS: Column<Counted>[] = [
  ...own.map(
    ({ heading, of }): Column<Counted> => ({ heading, of: ({ node, alarms }, look) => of({ node, alarms }, look) }),
  ),
  { heading: "ALARMS", of: ({ alarms }) => String(alarms.length) },
  { heading: "DEVICES", of: ({ devices }) => String(devices.total) },
  { heading: "READY", of: ({ devices }) => String(devices.ready) },
  { heading: "NOT READY", of: ({ devices: { total, ready, stale, gone } }) => String(total - ready - stale - gone) },
  { heading: "STALE", of: ({ devices }) => String(devices.stale) },
  { heading: "GONE", of: ({ devices }) => String(devices.gone) },
  {
    heading: "REASON",
    of: ({ node, alarms }) =>
      nodeWhy(node, alarms)
        .said.map(({ text }) => text)
        .join("; "),
  },
];
