import { createReadStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Hardware } from "../../contract/hardware.ts";
import { Exit, reasonOf } from "../exit.ts";

/** Where a PCI bus is read from. */
export interface Origin {
  /** The root of the tree to scan. */
  sysfs: string;
  /** The node a snapshot was taken on; null for the host itself. */
  node: Hardware["node"] | null;
  /** The names database recorded with a snapshot; null: the host's own. */
  pciIds: string | null;
  close(): Promise<void>;
}

/** A snapshot is written back as a tree, so that its replay is the scan itself and no second reader of the format. */
export async function openOrigin(source: { sysfs: string } | { snapshot: string }): Promise<Origin> {
  if ("sysfs" in source) return { sysfs: source.sysfs, node: null, pciIds: null, close: async () => {} };
  const text = await readText(source.snapshot);
  const [{ parseSnapshot }, { writeTree }] = await Promise.all([
    import("../../pci/snapshot/snapshot.ts"),
    import("./tree.ts"),
  ]);
  const sysfs = await mkdtemp(join(tmpdir(), "sinew-snapshot-"));
  const close = () => rm(sysfs, { recursive: true, force: true });
  try {
    const snapshot = parseSnapshot(text);
    writeTree(snapshot, sysfs);
    const { node_id: id, node_name: name } = snapshot.host;
    return { sysfs, node: { id, name }, pciIds: snapshot.pci_ids ?? null, close };
  } catch (error) {
    await close();
    throw new Exit(1, `cannot replay ${source.snapshot}: ${reasonOf(error)}`);
  }
}

/** Larger than any machine's dump or snapshot; what is parsed has the same limit in characters. */
const MAX_BYTES = 64 * 1024 * 1024;

/** A file named on the command line, or `-`, what is piped in. Files without an end are read no further than the limit. */
export async function readText(path: string): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    const stream = path === "-" ? process.stdin : createReadStream(path, { highWaterMark: 1024 * 1024 });
    for await (const chunk of stream) {
      length += chunk.length;
      if (length > MAX_BYTES) throw new Error(`it has more than ${MAX_BYTES / 1024 / 1024} MiB`);
      chunks.push(chunk);
    }
  } catch (error) {
    throw new Exit(1, `cannot read ${path === "-" ? "standard input" : path}: ${reasonOf(error)}`);
  }
  return Buffer.concat(chunks).toString("utf8");
}
