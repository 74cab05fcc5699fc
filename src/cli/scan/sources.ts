import { stateDirectory } from "../../config.ts";
import type { Hardware } from "../../contract/hardware.ts";
import type { Scanned } from "../../drivers/discover.ts";
import { NIL_UUID } from "../../pci/identity.ts";
import type { ScanResult } from "../../pci/sysfs/scan.ts";
import { Exit, reasonOf } from "../exit.ts";
import { hostFacts, hostName } from "../host/facts.ts";
import { readNodeId } from "../host/node-id.ts";
import { openOrigin, readText } from "../host/origin.ts";

/** A scan under way. */
export interface Running {
  sysfs: string;
  result: Promise<ScanResult>;
  close(): void;
}

/** What was read, and whose it is. */
export interface Seen extends Scanned {
  looked_at: number;
  node: Hardware["node"];
  /** The names database that came with it; null: this machine's. */
  pciIds: string | null;
}

/** This machine's own bus, or the one in a directory. */
export async function readBus(running: Running, state: string | undefined): Promise<Seen> {
  try {
    return { ...(await resultOf(running)), node: await thisNode(state), pciIds: null };
  } finally {
    running.close();
  }
}

/** A machine recorded earlier. */
export async function readSnapshot(path: string, start: (sysfs: string) => Running): Promise<Seen> {
  const { sysfs, node, pciIds, close } = await openOrigin({ snapshot: path });
  try {
    const running = start(sysfs);
    try {
      return { ...(await resultOf(running)), node: node ?? { id: NIL_UUID, name: "snapshot" }, pciIds };
    } finally {
      running.close();
    }
  } finally {
    await close();
  }
}

/** What lspci wrote down. */
export async function readDump(path: string): Promise<Seen> {
  const text = await readText(path);
  const { parseDump } = await import("../../pci/dump/dump.ts");
  try {
    const { functions, problems } = parseDump(text);
    // A dump says nothing of the machine it is from.
    const node = { id: NIL_UUID, name: "dump" };
    return { functions, looked_at: functions.length, problems, node, pciIds: null };
  } catch (error) {
    throw new Exit(1, `cannot read ${path}: ${reasonOf(error)}`);
  }
}

const resultOf = ({ sysfs, result }: Running): Promise<ScanResult> =>
  result.catch((error) => {
    throw new Exit(1, `cannot scan ${sysfs}: ${reasonOf(error)}`);
  });

async function thisNode(state: string | undefined): Promise<Hardware["node"]> {
  const id = (await readNodeId(stateDirectory(state, process.env, hostFacts()))) ?? NIL_UUID;
  return { id, name: process.env.SINEW_NODE || hostName() };
}
