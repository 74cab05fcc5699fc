import { mkdtemp, readFile, rm } from "node:fs/promises";
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

/** A file named on the command line. */
export const readText = (path: string): Promise<string> =>
  readFile(path, "utf8").catch((error) => {
    throw new Exit(1, `cannot read ${path}: ${reasonOf(error)}`);
  });
