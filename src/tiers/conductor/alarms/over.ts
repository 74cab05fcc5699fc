import type { Reader } from "../../../db/database.ts";
import { type Facts, knownDevices } from "../../../db/queries/fleet/alarms.ts";
import { cordonedOf } from "../../../db/queries/fleet/given.ts";
import type { AlarmBody, StoredAlarm } from "./rows.ts";

/** Why an alarm is over, whatever is wrong: an operator did something about what it is about. */
export type Over = Pick<AlarmBody, "reason" | "message">;

const CORDONED: Over = { reason: "Cordoned", message: "it is out of service" };
const FORGOTTEN: Over = { reason: "Forgotten", message: "it is in the fleet no more" };

/** Which of these alarms are over for that, by fingerprint. */
export async function overOf(
  r: Reader,
  rows: readonly StoredAlarm[],
  nodes: Facts["nodes"],
): Promise<ReadonlyMap<string, Over>> {
  const known = new Map(nodes.map((node) => [node.id, node]));
  const uuids = rows.flatMap(({ uuid }) => uuid ?? []);
  const [there, cordoned] = [await knownDevices(r, uuids), await cordonedOf(r, "device", uuids)];
  const why = ({ node_id, uuid }: StoredAlarm): Over | null => {
    const node = known.get(node_id ?? "");
    if (!node) return FORGOTTEN;
    if (node.cordoned || (uuid !== null && cordoned.has(uuid))) return CORDONED;
    return uuid !== null && !there.has(`${node_id} ${uuid}`) ? FORGOTTEN : null;
  };
  return new Map(
    rows.flatMap((row) => {
      const over = row.node_id === null ? null : why(row);
      return over ? [[row.fingerprint, over] as const] : [];
    }),
  );
}
