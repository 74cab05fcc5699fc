import type { Change } from "../../src/contract/change.ts";
import type { Hardware } from "../../src/contract/hardware.ts";
import type { Node, NodeState } from "../../src/contract/node.ts";
import { Follower } from "../truth/follower.ts";
import { type Asked, ask, NoAnswer, pages } from "./ask.ts";
import type { Fleet } from "./fleet.ts";

const EVERY_MS = 100;

interface Page {
  changes: Change[];
  revision: number;
  epoch: string;
  next_page_token?: string;
}

/** One who lists once and follows the feed from then on, at one conductor after the other, through whatever happens. */
export function follow(name: string, conductors: readonly Asked[], fleet: Fleet, judges: boolean) {
  const follower = new Follower(name);
  const states = new Map<string, { state: NodeState; at: number }>();
  let stopped = false;
  let turn = 0;
  /** When the last look was begun that had an answer. */
  let looked = performance.now();

  async function list(at: Asked) {
    const hardware = await pages<Hardware>(at, "/hardware", "hardware");
    const nodes = await pages<Node>(at, "/nodes", "nodes");
    follower.listHardware({ hardware: hardware.items, revision: hardware.revision });
    follower.listNodes({ nodes: nodes.items, revision: nodes.revision });
    for (const { id, state } of nodes.items) states.set(id, { state, at: performance.now() });
  }

  async function read(at: Asked) {
    const began = performance.now();
    if (follower.since === null) await list(at);
    const epoch = follower.epoch ? `&epoch=${follower.epoch}` : "";
    const page = await ask<Page>(at, `/changes?since=${follower.since}&limit=1000${epoch}`);
    follower.epoch = page.epoch;
    follower.take(page.changes);
    const by = performance.now();
    for (const change of page.changes) {
      fleet.acknowledged.change(change);
      const { state, node, revision } = change;
      // It is said again with what else changes of a node.
      if (!judges || state === null || states.get(node.id)?.state === state) continue;
      states.set(node.id, { state, at: by });
      fleet.liveness.state(node.id, { state, after: looked, by, revision });
      fleet.diary.note(`${node.name} is ${state} (revision ${revision})`, { quietly: true });
    }
    looked = began;
  }

  const running = (async () => {
    while (!stopped) {
      const at = conductors[turn++ % conductors.length] as Asked; // there is one at least
      await read(at).catch((error) => {
        if (!(error instanceof NoAnswer)) throw error;
      });
      await Bun.sleep(EVERY_MS);
    }
  })();

  return {
    follower,
    /** Since when it is LIVE; infinite where it is not, or was not seen to become it. */
    liveSince(node: string): number {
      const seen = states.get(node);
      return seen?.state === "LIVE" ? seen.at : Number.POSITIVE_INFINITY;
    },
    /** How long ago the answer was asked for that this knows last. */
    age: () => performance.now() - looked,
    async stop() {
      stopped = true;
      await running;
    },
  };
}
export type Following = ReturnType<typeof follow>;

/**
 * Notes when this machine itself stood still: nobody can be in time on one that does not run. Gives how long, in all.
 */
export function watchMachine() {
  const STEP_MS = 50;
  let last = performance.now();
  let still = 0;
  const timer = setInterval(() => {
    const now = performance.now();
    if (now - last > 4 * STEP_MS) still += now - last - STEP_MS;
    last = now;
  }, STEP_MS);
  return { still: () => still, stop: () => clearInterval(timer) };
}
