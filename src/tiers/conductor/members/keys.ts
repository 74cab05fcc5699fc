import { keysOf, keysVersion } from "../../../db/queries/keys.ts";
import { sleep } from "../../../world.ts";
import type { Fleet } from "../fleet.ts";

const CHECK_MS = 1_000;
/** Keys compared in one go: some milliseconds, as others wait meanwhile. */
const COMPARED_AT_ONCE = 1_000;

/** Which nodes there are, and their keys, as any conductor has set or forgotten them. */
export interface Keys {
  /** A link was opened by this node's key, which may have been forgotten since it was read. */
  proved(node: string): void;
  /** Looks now. */
  check(): Promise<void>;
  start(): void;
  stop(): void;
}

export function createKeys(fleet: Fleet): Keys {
  const { db, world, members, links, names } = fleet;
  /** The keys of all were compared with those of this version; the links of these were opened since. */
  let checked = "";
  const unchecked = new Set<string>();
  let cancel = () => {};

  async function check() {
    const version = await keysVersion(db.read);
    const some = [...unchecked];
    if (version === checked && some.length === 0) return;
    for (const id of some) unchecked.delete(id);
    // Those without a key as well: one may have joined at another conductor.
    // Nor is one that was named a member of each.
    const ids = version === checked ? some : [...new Set([...members.keys(), ...names.nodes()])];
    try {
      for (let start = 0; start < ids.length; start += COMPARED_AT_ONCE) {
        if (start > 0) await sleep(world, 0);
        await compare(ids.slice(start, start + COMPARED_AT_ONCE));
      }
    } catch (error) {
      for (const id of some) unchecked.add(id);
      throw error;
    }
    checked = version;
  }

  /** Takes over the keys of these nodes as they are stored, and closes the links that were proved with another one. */
  async function compare(ids: string[]) {
    const before = new Map(ids.map((id) => [id, members.get(id)?.row.key]));
    const named = new Map(ids.map((id) => [id, names.of(id)]));
    const stored = new Set(ids.filter((id) => members.get(id)?.stored));
    const found = await keysOf(db.read, ids);
    for (const id of ids) {
      if (found.has(id)) continue;
      if (stored.has(id)) forget(id);
      // What was learned while this was read is newer.
      else if (names.of(id) === named.get(id)) names.learn(id, null);
    }
    for (const [id, key] of found) {
      const tracked = members.get(id);
      const proved = links.key(id);
      if (proved !== null && proved !== key) links.close(id, "the node's key is no longer valid here");
      // What was set while this was read is newer.
      if (!tracked || tracked.row.key === key || tracked.row.key !== before.get(id)) continue;
      tracked.row.key = key;
      if (key !== null) tracked.peer = links.peer(id);
    }
  }

  /** An operator has had a node forgotten: if it says hello once more it is another one. */
  function forget(id: string) {
    links.close(id, "the node was forgotten");
    members.get(id)?.cancel();
    members.delete(id);
    names.learn(id, null);
    fleet.claims.forget(id);
  }

  /** In its own time: what the database takes must not delay the count of silence. */
  async function watch() {
    await check().catch((error) => world.log("error", "the nodes' keys could not be read", { error: String(error) }));
    if (!fleet.stopped) cancel = world.timer(CHECK_MS, () => void watch());
  }

  return {
    proved: (node) => void unchecked.add(node),
    check,
    start: () => void watch(),
    stop: () => cancel(),
  };
}
