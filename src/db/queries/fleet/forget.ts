import { asc, eq, inArray } from "drizzle-orm";
import type { Reader, Writer } from "../../connection.ts";
import { chunked, padded, textOf } from "../../prepared.ts";
import type { HardwareRow } from "../../schema/tables.ts";
import { forgetGiven } from "./given.ts";

/** What is told of a device that is forgotten. */
export type ForgottenDevice = Pick<HardwareRow, "id" | "source" | "uuid">;

export const devicesToForget = (r: Reader, node: string): Promise<ForgottenDevice[]> =>
  r.query((db, { hardware: h }) =>
    db.select({ id: h.id, source: h.source, uuid: h.uuid }).from(h).where(eq(h.node_id, node)).orderBy(asc(h.id)),
  );

/** Forgets devices, and what was given to them. */
export async function forgetDevices(w: Writer, devices: ForgottenDevice[]): Promise<void> {
  await chunked(devices, (some) => {
    const keys = padded(some.map(({ id }) => id));
    const text = textOf(w, `forgetDevices ${keys.length}`, (_, { hardware }) =>
      w.builder.delete(hardware).where(inArray(hardware.id, keys)),
    );
    return w.run(text, keys);
  });
  const uuids = devices.map(({ uuid }) => uuid);
  // One uuid may be on two nodes, or from two sources.
  const left = await chunked(uuids, (some) => {
    const keys = padded(some);
    const text = textOf(w, `leftDevices ${keys.length}`, (db, { hardware }) =>
      db.select({ uuid: hardware.uuid }).from(hardware).where(inArray(hardware.uuid, keys)),
    );
    return w.run(text, keys) as Promise<string[][]>;
  });
  const kept = new Set(left.map(([uuid]) => uuid));
  await forgetGiven(
    w,
    "device",
    uuids.filter((uuid) => !kept.has(uuid)),
  );
}

/** Forgets a node that has no devices any more, its sources and what was given to it. */
export async function forgetNodeRow(w: Writer, id: string): Promise<void> {
  await w.query((db, { sources }) => db.delete(sources).where(eq(sources.node_id, id)));
  await forgetGiven(w, "node", [id]);
  await w.query((db, { nodes }) => db.delete(nodes).where(eq(nodes.id, id)));
}
