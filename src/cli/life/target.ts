import type { Hardware } from "../../contract/hardware.ts";
import type { Node } from "../../contract/node.ts";
import { deviceCalled, tried } from "../describe/read.ts";
import { Exit } from "../exit.ts";
import { hardware } from "../get/kinds/hardware.ts";
import { nodeCalled, nodes } from "../get/kinds/nodes.ts";
import { bare, begins } from "../get/select.ts";
import { call } from "../operator/call.ts";
import type { Conductor } from "../operator/conductor.ts";
import { printable } from "../text.ts";

/** A node or a device, as commands about either take it. */
export type Target = { of: "node"; node: Node } | { of: "hardware"; device: Hardware };

export const TARGET =
  "a node by its name, or a device by NODE/ADDRESS; either by the beginning of its id, or as `sinew get -o name` has it";

/** What a person means. Throws Exit where it is nothing, or both. */
export async function target(conductor: Conductor, said: string): Promise<Target> {
  const [name, id] = [bare(nodes)(said), bare(hardware)(said)];
  if (name !== said) return { of: "node", node: await nodeCalled(conductor, name) };
  if (id !== said) return { of: "hardware", device: await deviceCalled(conductor, id) };
  const node = await tried(() => nodeCalled(conductor, said));
  // A word that may be the beginning of a device's id is looked for among devices, too.
  if ("found" in node && !begins(said)) return { of: "node", node: node.found };
  const device = await tried(() => deviceCalled(conductor, said));
  if ("found" in node && "found" in device)
    throw new Exit(
      1,
      `${printable(said)} is node ${printable(node.found.name)} (${node.found.id}) and device ${device.found.uuid}: say node/${printable(said)} or hardware/${printable(said)}`,
    );
  if ("found" in node) return { of: "node", node: node.found };
  if ("found" in device) return { of: "hardware", device: device.found };
  throw new Exit(1, /[/:]/.test(said) ? device.why : node.why);
}

/** As people know it, and as `-o name` has it. */
export const handleOf = (one: Target): string =>
  one.of === "node" ? `node/${printable(one.node.name)}` : `hardware/${printable(one.device.uuid)}`;

/** A word about a device beside its handle: which card of which node it is. */
export const titleOf = (one: Target): string =>
  one.of === "node"
    ? handleOf(one)
    : printable(
        `${handleOf(one)} (${one.device.name} of ${one.device.node.name}, ${one.device.pci?.address ?? "no address"})`,
      );

/** By its id: what was found is what is meant, whatever it is called by now. */
export const pathOf = (one: Target): string =>
  one.of === "node" ? `/nodes/${one.node.id}` : `/hardware/${one.device.uuid}`;

export const patch = async (conductor: Conductor, one: Target, body: unknown): Promise<unknown> =>
  (await call(conductor.where, { method: "PATCH", path: pathOf(one), body })).body;
