import { Database } from "bun:sqlite";
import { parseEndpoint } from "../../src/client/endpoint.ts";
import { createPeer, type Peer, PeerError } from "../../src/client/peer.ts";
import type { Change } from "../../src/contract/change.ts";
import type { Alarm, AlarmKind } from "../../src/contract/fleet/alarm.ts";
import type { Hardware } from "../../src/contract/hardware.ts";
import type { Trouble } from "../truth/alarms.ts";
import { Follower } from "../truth/follower.ts";
import { keyOf, type Lists } from "../truth/quiet.ts";
import type { Dice } from "./dice.ts";
import { Machine, Process, type Run, type Stage } from "./process.ts";

/** A line of the log, as far as a judge looks at it. */
export type Logged = Pick<Change, "revision" | "kind" | "node" | "uuid" | "state">;

interface LogRow {
  revision: number;
  kind: Change["kind"];
  node_id: string;
  node_name: string;
  uuid: string | null;
  state: Change["state"];
}

/** Reads the log from the file itself, in the moment that something is committed. */
export class Auditor {
  readonly log: Logged[] = [];
  #db: Database | null = null;
  #last = 0;
  readonly #file: string;
  readonly #hear: (change: Logged) => void;

  constructor(file: string, hear: (change: Logged) => void) {
    this.#file = file;
    this.#hear = hear;
  }

  look(): void {
    this.#db ??= new Database(this.#file, { readonly: true });
    const rows = this.#db
      .query<LogRow, [number]>(
        "SELECT revision, kind, node_id, node_name, uuid, state FROM changes WHERE revision > ? ORDER BY revision",
      )
      .all(this.#last);
    for (const { revision, kind, node_id, node_name, uuid, state } of rows) {
      const change = { revision, kind, node: { id: node_id, name: node_name }, uuid, state };
      this.#last = revision;
      this.log.push(change);
      this.#hear(change);
    }
  }

  close(): void {
    this.#db?.close();
    this.#db = null;
  }
}

const MOST = 4 * 2 ** 20;

/** One who asks a conductor. Any failure is a PeerError. */
export class Client {
  readonly process: Process;
  readonly #conductors: () => string[];
  readonly #dice: Dice;

  constructor(name: string, number: number, stage: Stage, conductors: () => string[]) {
    this.process = new Process(name, new Machine(`10.2.0.${number}`), 1, stage);
    this.#conductors = conductors;
    this.#dice = stage.dice.fork(name);
  }

  begin(): Run {
    return this.process.begin();
  }

  peer(run: Run): Peer {
    return createPeer(parseEndpoint(this.#dice.pick(this.#conductors())), run.world);
  }
}

export const ask = async <T>(peer: Peer, path: string): Promise<T> =>
  (await peer.request({ path, deadlineMs: 10_000, maxBytes: MOST })).body as T; // the conductor's own tests hold it to the contract

/** Every page of one list, in order. */
async function* pages<T extends { next_page_token?: string }>(peer: Peer, path: string, limit: number) {
  let token: string | undefined;
  do {
    const page = await ask<T>(peer, `${path}?limit=${limit}${token ? `&page_token=${encodeURIComponent(token)}` : ""}`);
    yield page;
    token = page.next_page_token;
  } while (token !== undefined);
}

type Whole = Omit<Lists, "hardware"> & { hardware: Hardware[] };
type HardwarePage = Pick<Whole, "hardware" | "sources" | "revision"> & { next_page_token?: string };
type ChangePage = { changes: Change[]; revision: number; epoch: string; next_page_token?: string };
type NodePage = Pick<Whole, "nodes" | "revision"> & { next_page_token?: string };

/** The whole fleet as one conductor lists it; the revision is that of the first page. */
export async function listAll(peer: Peer, limit: number): Promise<Whole> {
  const lists: Whole = { revision: Number.POSITIVE_INFINITY, nodes: [], hardware: [], sources: [] };
  for await (const page of pages<HardwarePage>(peer, "/hardware", limit)) {
    lists.revision = Math.min(lists.revision, page.revision);
    lists.hardware.push(...page.hardware);
    lists.sources = page.sources;
  }
  for await (const page of pages<NodePage>(peer, "/nodes", limit)) {
    lists.revision = Math.min(lists.revision, page.revision);
    lists.nodes.push(...page.nodes);
  }
  return lists;
}

/** The nodes that an alarm of this kind fires for, on its own or as one of many, each once. */
export async function firing(peer: Peer, kind: AlarmKind): Promise<Trouble[]> {
  const { alarms } = await ask<{ alarms: Alarm[] }>(peer, `/alarms?state=firing&kind=${kind}&limit=1000`);
  const nodes = alarms.flatMap(({ node, members }) => (node ? [node] : (members?.nodes ?? [])));
  return [...new Set(nodes.map(({ id }) => id))].map((node) => ({ kind, node }));
}

/** A program that keeps a copy of the fleet by list and feed; its copy outlives it. */
export class SimFollower {
  readonly copy: Follower;
  readonly client: Client;
  readonly #dice: Dice;
  /** How often it had to begin anew because its position was not of this history. */
  refused = 0;

  constructor(number: number, stage: Stage, conductors: () => string[]) {
    this.copy = new Follower(`follower ${number}`);
    this.client = new Client(`follower ${number}`, number, stage, conductors);
    this.#dice = stage.dice.fork(`follower ${number}`);
  }

  start(): void {
    if (!this.client.process.run) void this.#live(this.client.begin());
  }

  /** Ends it; `forget`: its copy is lost, too. */
  kill({ forget }: { forget: boolean }): void {
    this.client.process.run?.end();
    if (forget) this.copy.restart();
  }

  async #live(run: Run): Promise<void> {
    for (;;) {
      let more = false;
      try {
        more = await this.#follow(run);
      } catch (error) {
        if (!(error instanceof PeerError)) throw error;
        if (error.status === 410) {
          this.refused += 1;
          this.copy.restart();
        }
      }
      // Whoever holds all that there was has time.
      await run.sleep(more ? this.#dice.between(100, 2_000) : 500 + 30_000 * this.#dice.next() ** 2);
    }
  }

  /** One step; whether there is more to be had at once. */
  async #follow(run: Run): Promise<boolean> {
    const peer = this.client.peer(run);
    const { copy } = this;
    const limit = this.#dice.pick([1, 7, 100, 1000]);
    if (copy.since === null) {
      // All of it or none: half a list is no copy.
      const hardware: HardwarePage[] = [];
      const nodes: NodePage[] = [];
      for await (const page of pages<HardwarePage>(peer, "/hardware", Math.max(7, limit))) hardware.push(page);
      for await (const page of pages<NodePage>(peer, "/nodes", Math.max(7, limit))) nodes.push(page);
      for (const page of hardware) copy.listHardware(page);
      for (const page of nodes) copy.listNodes(page);
      return true;
    }
    const epoch = copy.epoch === null ? "" : `&epoch=${copy.epoch}`;
    const page = await ask<ChangePage>(peer, `/changes?since=${copy.since}&limit=${limit}${epoch}`);
    copy.epoch = page.epoch;
    copy.take(page.changes);
    if (page.next_page_token === undefined) copy.advance(page.revision);
    return page.next_page_token !== undefined;
  }

  /** Compares its copy with a list of the same revision; false: it is not there yet. */
  judge(lists: Whole, log: readonly Logged[]): boolean {
    if (this.copy.since !== lists.revision) return false;
    const hardware = new Map(
      lists.hardware.map((device) => [keyOf(device.node.id, device.source, device.uuid), device]),
    );
    const states = new Map(lists.nodes.map(({ id, state }) => [id, state]));
    this.copy.judgeList({ hardware, states }, lists.revision);
    this.copy.judgeLog(log);
    return true;
  }
}
