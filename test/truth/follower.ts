import type { Change } from "../../src/contract/change.ts";
import type { Hardware } from "../../src/contract/hardware.ts";
import type { NodeState } from "../../src/contract/node.ts";
import { keyOf } from "./quiet.ts";

/** The fleet as a list shows it, or as one who lists and then follows knows it. */
export interface Copy {
  hardware: Map<string, Hardware>;
  states: Map<string, NodeState>;
}

/**
 * One who lists the fleet, then follows the feed. It holds no position that it was not given: `since` is where to go on.
 * `name` is for the sentences about it.
 */
export class Follower implements Copy {
  readonly violations: string[] = [];
  hardware = new Map<string, Hardware>();
  states = new Map<string, NodeState>();
  /** Where to go on in the feed; null: list first. */
  since: number | null = null;
  epoch: string | null = null;
  /** The revisions that it was given since it listed, in their order. */
  seen = new Set<number>();
  #last = 0;
  listed = 0;
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  /** Forgets all: what comes next is a list. */
  restart(): void {
    this.hardware = new Map();
    this.states = new Map();
    this.seen = new Set();
    this.#last = 0;
    this.since = null;
  }

  /** Takes one page of the list of hardware. The feed is to be read from the first page of either list. */
  listHardware(page: { hardware: Hardware[]; revision: number }): void {
    for (const device of page.hardware) this.hardware.set(keyOf(device.node.id, device.source, device.uuid), device);
    this.#begin(page.revision);
  }

  listNodes(page: { nodes: { id: string; state: NodeState }[]; revision: number }): void {
    for (const { id, state } of page.nodes) this.states.set(id, state);
    this.#begin(page.revision);
  }

  #begin(revision: number) {
    this.since = Math.min(this.since ?? revision, revision);
    this.listed = this.since;
  }

  /** Takes changes as they came after `since`, in one page or one by one. */
  take(changes: readonly Change[]): void {
    for (const change of changes) {
      const { revision, node } = change;
      const last = Math.max(this.#last, this.listed);
      if (this.seen.has(revision)) this.violations.push(`${this.#name} was shown revision ${revision} twice`);
      else if (revision <= last)
        this.violations.push(`${this.#name} was shown revision ${revision} after ${last}: out of order`);
      this.seen.add(revision);
      this.#last = revision;
      this.since = Math.max(this.since ?? 0, revision);
      if (change.kind === "state" && change.state) this.states.set(node.id, change.state);
      else if (change.hardware)
        this.hardware.set(keyOf(node.id, change.hardware.source, change.hardware.uuid), change.hardware);
    }
  }

  /** It was told that there is no more up to this revision. */
  advance(revision: number): void {
    this.since = Math.max(this.since ?? 0, revision);
  }

  /** Compares with the whole log: between what was listed and the last revision seen nothing may be left out. */
  judgeLog(log: readonly Pick<Change, "revision" | "kind" | "node" | "uuid">[]): void {
    const last = this.since ?? 0;
    for (const { revision, kind, node, uuid } of log) {
      if (revision > this.listed && revision <= last && !this.seen.has(revision))
        this.violations.push(
          `${this.#name} read from revision ${this.listed} to ${last} and missed ${revision} (${kind} of ${uuid ?? "the node"} on ${node.name})`,
        );
    }
    const there = new Set(log.map(({ revision }) => revision));
    for (const revision of this.seen)
      if (!there.has(revision))
        this.violations.push(`${this.#name} was shown revision ${revision}, and the log has none`);
  }

  /** Compares what it holds with what a list holds at the revision that it has read to. */
  judgeList(list: Copy, revision: number): void {
    const say = (what: string) => this.violations.push(`${this.#name} at revision ${revision}: ${what}`);
    for (const [key, device] of list.hardware) {
      const own = this.hardware.get(key);
      if (!own) say(`device ${key} is in the list, and the feed has not told of it`);
      else if (!Bun.deepEquals(own, device))
        say(`device ${key} is ${JSON.stringify(device)} in the list, and ${JSON.stringify(own)} by the feed`);
    }
    for (const key of this.hardware.keys())
      if (!list.hardware.has(key)) say(`device ${key} is known by the feed, and not in the list`);
    for (const [id, state] of list.states) {
      const own = this.states.get(id);
      if (own !== state) say(`node ${id} is ${state} in the list, and ${own ?? "unknown"} by the feed`);
    }
    for (const id of this.states.keys())
      if (!list.states.has(id)) say(`node ${id} is known by the feed, and not in the list`);
  }
}
