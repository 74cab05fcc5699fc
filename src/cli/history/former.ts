import type { Change } from "../../contract/change.ts";
import type { Hardware } from "../../contract/hardware.ts";
import { deviceCalled, newestChanges } from "../describe/read.ts";
import { Exit, NotThere } from "../exit.ts";
import { wordsOf } from "../get/kinds/hardware.ts";
import { nodeCalled } from "../get/kinds/nodes.ts";
import { begins } from "../get/select.ts";
import { writeError } from "../host/stderr.ts";
import type { Conductor } from "../operator/conductor.ts";
import { printable } from "../text.ts";

/** Forgotten ones that are looked at: what is in the log of each is a request. */
const MOST = 50;

/** The id of the node that a person means, or meant: what is kept outlives the node and its name. Throws Exit. */
export async function nodeThen(conductor: Conductor, said: string): Promise<string> {
  try {
    return (await nodeCalled(conductor, said)).id;
  } catch (error) {
    if (!(error instanceof NotThere)) throw error;
    // The log goes by the id, and by the name that a node had then.
    const [named] = (await newestChanges(conductor, { node: said }, 1)).changes;
    const lines = named ? [named] : (await forgotten(conductor, said)).filter(({ uuid }) => uuid === null);
    const id = theOne(lines, said, ({ node }) => node.id);
    if (id === null) throw error;
    const now = await conductor.find(`/nodes/${id}`);
    const name = now === null ? "in the fleet no more" : `called ${(now as Hardware["node"]).name} now`;
    writeError(`sinew: note: node ${printable(said)} is ${printable(name)}: what is kept of it\n`);
    return id;
  }
}

/** The device that a person means, or that was forgotten. Throws Exit. */
export async function deviceThen(
  conductor: Conductor,
  said: string,
): Promise<{ uuid: string; node: string; there: boolean }> {
  try {
    const { uuid, node } = await deviceCalled(conductor, said);
    return { uuid, node: node.id, there: true };
  } catch (error) {
    if (!(error instanceof NotThere)) throw error;
    const [, name] = /^(.+)\/[^/]+$/.exec(said) ?? [];
    const lines = name === undefined ? await forgotten(conductor, said) : await forgottenAt(conductor, name, said);
    const uuid = theOne(lines, said, (line) => line.uuid ?? "");
    const node = lines.find((line) => line.uuid === uuid)?.node.id;
    if (uuid === null || node === undefined) throw error;
    writeError(`sinew: note: ${printable(said)} is in the fleet no more: what is kept of it\n`);
    return { uuid, node, there: false };
  }
}

/** The lines of what was forgotten whose id begins so. */
async function forgotten(conductor: Conductor, said: string): Promise<Change[]> {
  if (!begins(said)) return [];
  const { changes } = await newestChanges(conductor, { kind: "forgotten" }, 1_000);
  return changes.filter(({ uuid, node }) => (uuid ?? node.id).startsWith(said.toLowerCase()));
}

/** The lines of devices of a node that were forgotten, and had this address last. */
async function forgottenAt(conductor: Conductor, node: string, said: string): Promise<Change[]> {
  const { changes } = await newestChanges(conductor, { kind: "forgotten", node }, MOST);
  const found: Change[] = [];
  for (const line of changes) {
    if (line.uuid === null) continue;
    const last = (await newestChanges(conductor, { uuid: line.uuid, node: line.node.id }, 10)).changes;
    const device = last.find(({ hardware }) => hardware)?.hardware;
    if (device && wordsOf(device).names.includes(said)) found.push(line);
  }
  return found;
}

/** The one id of these lines; null: there is none. */
function theOne(lines: readonly Change[], said: string, idOf: (line: Change) => string): string | null {
  const ids = [...new Set(lines.map(idOf))];
  if (ids.length <= 1) return ids[0] ?? null;
  const some = ids.slice(0, 5).join(", ");
  throw new Exit(1, `${ids.length} that were forgotten are ${JSON.stringify(printable(said))}: ${some}; say its id`);
}
