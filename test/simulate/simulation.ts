import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PeerError } from "../../src/client/peer.ts";
import type { HardwareList } from "../../src/contract/hardware.ts";
import { LINK_LEASE_SECONDS } from "../../src/tiers/lease.ts";
import { Acknowledged } from "../truth/acknowledged.ts";
import { judgeAlarms } from "../truth/alarms.ts";
import { Liveness } from "../truth/liveness.ts";
import { judgeIdentity, judgeQuiet, keyOf, type TrueNode } from "../truth/quiet.ts";
import { Clock, settle } from "./clock.ts";
import { SimConductor } from "./conductor.ts";
import { determined } from "./determined.ts";
import { Dice } from "./dice.ts";
import { FileLock } from "./disk.ts";
import { FAULTS } from "./faults.ts";
import { Journal } from "./journal.ts";
import { type Exchange, Network, type Witness } from "./network.ts";
import { SimNode } from "./node.ts";
import { Operator } from "./operator.ts";
import type { Process, Stage } from "./process.ts";
import { Registry } from "./registry.ts";
import { Auditor, firing, listAll, SimFollower } from "./watch.ts";
import type { Wire } from "./wire.ts";

export interface Settings {
  seed: number;
  nodes: number;
  hours: number;
  /** How many share the database; null: it follows from the seed. */
  conductors: number | null;
  /** The lease that conductors give, on links too; null: it follows from the seed. */
  leaseSeconds: number | null;
  /** How many of the nodes join with a key and hold a link, 0 to 1; null: it follows from the seed. */
  links: number | null;
  /** Names of FAULTS. */
  faults: readonly string[];
  /** Hears each line of the journal. */
  out?: ((line: string) => void) | null;
  /** Keeps all of the journal, not its last lines alone. */
  keepAll?: boolean;
  /** Turns of the event loop for each event, of which one is enough. */
  turns?: number;
}

export interface Outcome {
  seed: number;
  violations: string[];
  /** The last lines of the journal, or all. */
  journal: string[];
  /** Of all lines: two runs of one seed have the same. */
  digest: string;
  events: number;
  revisions: number;
}

const MINUTE = 60_000;
/** Later than two leases by so much a LOST may be: the conductor looks once a second. */
const SLACK_MS = 3_000;

/** What agents know of the conductors. */
const DOOR = "10.1.0.100:1336";

/** Where files cost no disk. */
const scratch = () => {
  for (const folder of ["/dev/shm", tmpdir()]) {
    try {
      return mkdtempSync(join(folder, "sinew-simulate-"));
    } catch {
      // not every system has the first
    }
  }
  throw new Error("expected a directory for temporary files, found none");
};

/** A fleet in one process, from one seed, for some hours of its own time. */
export class Simulation implements Witness {
  readonly stage: Stage;
  readonly nodes: SimNode[] = [];
  readonly conductors: SimConductor[] = [];
  readonly followers: SimFollower[] = [];
  readonly operator: Operator;
  /** Those whose agent stays as it is while all else is mended. */
  readonly dead = new Set<SimNode>();
  readonly #settings: Settings;
  readonly #clock: Clock;
  readonly #dice: Dice;
  readonly #folder = scratch();
  readonly #auditor: Auditor;
  readonly #liveness: Liveness;
  readonly #acknowledged = new Acknowledged();
  readonly #known = new Set<string>();
  readonly #byProcess = new Map<Process, SimNode>();
  readonly #leaseSeconds: number;
  /** Conductors give the leases that are theirs by default: longer ones on links. */
  readonly #ownLeases: boolean;
  /** Of the nodes so many join with a key and hold a link. */
  readonly #linkedPart: number;
  readonly #registry: Registry;
  /** Who answered each node's last hello. */
  readonly #heardBy = new Map<string, Process>();
  /** What is wrong at present, and how each is mended. */
  #troubles = new Set<() => void>();
  #violations: string[] = [];

  constructor(settings: Settings) {
    this.#settings = settings;
    this.#clock = new Clock(settings.turns);
    this.#dice = new Dice(`simulation ${settings.seed}`);
    const journal = new Journal(this.#clock, settings);
    const network = new Network(this.#clock, this.#dice.fork("network"), journal);
    network.witness = this;
    this.stage = { clock: this.#clock, dice: this.#dice, journal, network };
    // Mostly long ones, as each hello is computed: a short one is ten times the work.
    const short = settings.leaseSeconds === null && this.#dice.chance(0.05);
    this.#leaseSeconds = settings.leaseSeconds ?? (short ? 10 : this.#dice.pick([60, 120, 120]));
    this.#linkedPart = settings.links ?? this.#dice.fork("links").pick([0, 0.3, 0.6, 1]);
    this.#ownLeases = short && this.#linkedPart > 0;
    const file = join(this.#folder, "sinew.sqlite");
    this.#liveness = new Liveness({ decisionMs: 0, slackMs: SLACK_MS });
    this.#auditor = new Auditor(file, (change) => {
      const { kind, node, uuid, state, revision } = change;
      const of = uuid ?? state;
      journal.write(`revision ${revision}: ${kind} of ${node.name} ${of}`);
      const now = this.#clock.now;
      if (state === "LEFT") this.#leftUnheard(node.id);
      if (state) this.#liveness.state(node.id, { state, after: now, by: now, revision });
    });
    const lock = new FileLock();
    const options = {
      ...{ file, lock, leaseSeconds: this.#ownLeases ? null : this.#leaseSeconds },
      committed: () => this.#auditor.look(),
      began: () => this.#began(),
      ended: (process: Process) => this.#ended(process),
    };
    const count = settings.conductors ?? this.#dice.pick([1, 1, 1, 2]);
    for (let number = 1; number <= count; number += 1)
      this.conductors.push(new SimConductor(number, this.stage, options));
    const [first] = this.conductors;
    this.#registry = new Registry({
      ...{ file, lock, clock: this.#clock, committed: options.committed },
      owner: first?.process.name ?? "",
    });
    network.balanced.set(
      DOOR,
      this.conductors.map(({ process }) => process),
    );
    const urls = () => this.conductors.map(({ process }) => process.endpoint);
    this.operator = new Operator(this.stage, urls, this.#acknowledged);
    for (let number = 1; number <= 2; number += 1) this.followers.push(new SimFollower(number, this.stage, urls));
  }

  /** A node that was not there before; null: there are enough. */
  addNode(): SimNode | null {
    const number = this.nodes.length + 1;
    if (number > this.#settings.nodes) return null;
    const node = new SimNode(number, this.stage, {
      conductor: `http://${DOOR}`,
      leaseSeconds: 120,
      remote: number % 4 === 0,
      admit: this.#dice.fork(`link ${number}`).chance(this.#linkedPart)
        ? (node, key) => this.#registry.admit(node, key)
        : null,
    });
    this.nodes.push(node);
    this.#byProcess.set(node.agent, node);
    if (node.driver) this.#byProcess.set(node.driver, node);
    this.begin({ start: () => node.startAgent() });
    this.begin({ start: () => node.startDriver() });
    return node;
  }

  /** Starts something at once, in a turn of its own. */
  begin(what: { start: () => Promise<void> }): void {
    this.#clock.after(0, async () => {
      await what.start();
    });
  }

  /** Whoever is silent may have a fresh lease from here. */
  unsure(): void {
    // Of several another one may have to find out that one is dead before it gives its nodes a fresh lease.
    const found = this.conductors.length > 1 ? Math.min(10_000, this.#leaseSeconds * 1000) + 2_000 : 0;
    this.#liveness.conductor(this.#clock.now + found);
  }

  /** What a conductor had heard last it may not have written down. */
  #ended(process: Process): void {
    this.unsure();
    for (const [node, by] of this.#heardBy) if (by === process) this.#liveness.doubt(node);
  }

  /** Of what it finds in the database it knows no links: whoever holds one has a fresh lease as long as a link's. */
  #began(): void {
    this.unsure();
    for (const node of this.nodes) if (node.linked) this.#sign(node);
  }

  #isConductor(process: Process): boolean {
    return this.conductors.some((one) => one.process === process);
  }

  delivered(from: Process, to: Process): void {
    const node = this.#byProcess.get(from);
    if (node && from === node.agent && this.#isConductor(to)) this.#sign(node);
  }

  #sign(node: SimNode): void {
    const seconds = this.#ownLeases && node.linked ? LINK_LEASE_SECONDS : this.#leaseSeconds;
    this.#liveness.silent(node.id, { since: this.#clock.now, ttlMs: seconds * 1000 });
  }

  unlinked({ dialler, acceptor }: Wire): void {
    const node = this.#byProcess.get(dialler.run.process);
    if (!node || !this.#ownLeases) return;
    // The conductor holds a newer one.
    for (const { dialler: other, acceptor: end, tap } of this.stage.network.wires)
      if (end.open && tap.proved && other.run.process === node.agent && end.run === acceptor.run) return;
    const ends = { at: this.#clock.now, ttlMs: this.#leaseSeconds * 1000 };
    this.#liveness.unlinked(node.id, ends);
    // Another conductor may take it over, with a lease of its own.
    if (this.conductors.length > 1) this.#sign(node);
    else this.#liveness.silent(node.id, { since: ends.at, ttlMs: ends.ttlMs });
  }

  asked({ from, to, path, body }: Exchange): void {
    const node = this.#byProcess.get(from);
    if (!node || path !== "/hello" || !this.#isConductor(to)) return;
    node.leaving = (JSON.parse(body ?? "{}") as { status: string }).status === "LEAVING";
  }

  #leftUnheard(id: string): void {
    const node = this.nodes.find((one) => one.id === id);
    if (!node?.leaving) return;
    node.said = "LEAVING";
    this.#liveness.left(id);
  }

  handled({ from, to, method, path, body }: Exchange, status: number): void {
    const node = this.#byProcess.get(from);
    if (status === 500) this.#violations.push(`${to.name} answered 500 to ${method} ${path} of ${from.name}`);
    if (!node || method !== "POST" || path !== "/hello" || status !== 200) return;
    if (to === node.agent) {
      node.registered = true;
      return;
    }
    const said = (JSON.parse(body ?? "{}") as { status: string }).status;
    node.said = said;
    this.#sign(node);
    if (said === "LEAVING") this.#liveness.left(node.id);
  }

  answered({ from, to, method, path, body, sent, by, standing }: Exchange, status: number, text: string): void {
    const asked = this.#byProcess.get(to);
    if (asked && path === "/hardware" && status === 200 && this.#isConductor(from)) {
      const { hardware } = JSON.parse(text) as HardwareList;
      for (const { source, uuid } of hardware) this.#known.add(keyOf(asked.id, source, uuid));
    }
    const node = this.#byProcess.get(from);
    if (!node || method !== "POST" || path !== "/hello" || status !== 200 || !this.#isConductor(to)) return;
    const answered = this.#clock.now;
    const said = (JSON.parse(body ?? "{}") as { status: string }).status;
    this.#acknowledged.acknowledge(`node ${node.id}`, answered);
    if (said !== "READY") return;
    // Its end may have come before its answer.
    if (!by?.alive) return;
    // From the end of a link on its lease is another.
    if (this.#ownLeases && standing && !standing()) return;
    this.#heardBy.set(node.id, to);
    const { lease } = JSON.parse(text) as { lease: { ttl_seconds: number } };
    this.#liveness.heard(node.id, { sent, answered, ttlMs: lease.ttl_seconds * 1000 });
  }

  async run(): Promise<Outcome> {
    const undo = determined(this.#dice.fork("platform"));
    try {
      const end = this.#settings.hours * 60 * MINUTE;
      for (const conductor of this.conductors) this.begin(conductor);
      const first = Math.max(1, Math.ceil(this.#settings.nodes * 0.8));
      for (let count = 0; count < first; count += 1) this.addNode();
      for (const follower of this.followers) follower.start();
      this.#look();
      await this.#pass(MINUTE);
      while (this.#clock.now < end && !this.#failed()) {
        await this.#episode();
        await this.#quiet();
      }
    } finally {
      this.stage.journal.close();
      await this.#close();
      undo();
    }
    const { journal } = this.stage;
    return {
      seed: this.#settings.seed,
      violations: this.#violations,
      journal: journal.lines,
      digest: journal.digest(),
      events: this.#clock.events,
      revisions: this.#auditor.log.length,
    };
  }

  #pass(ms: number): Promise<void> {
    return this.#clock.runUntil(this.#clock.now + ms, () => this.#failed());
  }

  #failed(): boolean {
    if (this.#violations.length > 0) return true;
    if (this.#clock.events % 16 !== 0) return false;
    const parts = [this.#liveness, this.#acknowledged, ...this.followers.map(({ copy }) => copy)];
    for (const { violations } of parts) this.#violations.push(...violations);
    return this.#violations.length > 0;
  }

  /** Looks every second for what cannot be seen in an event. */
  #look(): void {
    this.#clock.after(1_000, () => {
      for (const { process, disk } of this.conductors)
        if (!process.run || process.paused || disk.full || disk.slowMs > 0) this.unsure();
      this.#liveness.look(this.#clock.now);
      this.#look();
    });
  }

  /** Some minutes in which things go wrong. */
  async #episode(): Promise<void> {
    const dice = this.#dice.fork(`episode ${this.#clock.now}`);
    const length = dice.between(2, 15) * MINUTE;
    const { faults } = this.#settings;
    for (let count = faults.length === 0 ? 0 : 2 + dice.int(14); count > 0; count -= 1) {
      this.#clock.after(dice.next() * length, () => this.#trouble(dice.pick(faults), dice));
    }
    await this.#pass(length);
  }

  #trouble(name: string, dice: Dice): void {
    const fault = FAULTS[name];
    if (!fault) throw new RangeError(`expected one of ${Object.keys(FAULTS).join(", ")}, got ${name}`);
    const { what, ms, mend } = fault(this, dice);
    this.stage.journal.write(`FAULT ${name}: ${what}, for ${(ms / 1000).toFixed(1)} s`);
    this.unsure();
    const once = () => {
      if (!this.#troubles.delete(once)) return;
      this.stage.journal.write(`MENDED ${name}: ${what}`);
      mend();
      this.unsure();
    };
    this.#troubles.add(once);
    if (ms > 0) this.#clock.after(ms, once);
  }

  #revive(): void {
    for (const node of this.nodes) {
      if (this.dead.has(node)) continue;
      this.begin({ start: () => node.startAgent() });
      this.begin({ start: () => node.startDriver() });
    }
    for (const conductor of this.conductors) this.begin(conductor);
    for (const follower of this.followers) follower.start();
  }

  /** Mends all, waits until everyone has told what there is, and compares. */
  async #quiet(): Promise<void> {
    for (const mend of [...this.#troubles]) mend();
    for (const node of this.nodes) node.mend();
    // Again, as one that was told to stop may take its time.
    for (const ms of [0, 10_000, 20_000, 30_000]) this.#clock.after(ms, () => this.#revive());
    this.stage.journal.write("QUIET");
    const seconds = this.#ownLeases ? LINK_LEASE_SECONDS : this.#leaseSeconds;
    await this.#pass(130_000 + 3 * seconds * 1000);
    if (this.#failed()) return;
    await this.#judge();
    // Those that were dead through it come back, or die for longer.
    for (const node of [...this.dead])
      if (this.#dice.chance(0.7)) {
        this.dead.delete(node);
        this.begin({ start: () => node.startAgent() });
        this.begin({ start: () => node.startDriver() });
      }
  }

  async #judge(): Promise<void> {
    let done = false;
    void this.#compare().then(
      () => {
        done = true;
      },
      (error) => {
        const why = error instanceof PeerError ? error.message : String(error?.stack ?? error);
        this.#violations.push(`after quiet: the conductor cannot be asked: ${why}`);
      },
    );
    await this.#clock.runUntil(this.#clock.now + 4 * MINUTE, () => done || this.#violations.length > 0);
    if (!done) this.#violations.push("after quiet: the comparison came to no end");
  }

  async #compare(): Promise<void> {
    const { clock, journal } = this.stage;
    const say = (...found: string[]) => this.#violations.push(...found);
    const asked = clock.now;
    let lists = await listAll(this.operator.peer, this.#dice.pick([5, 50, 1000]));
    // An alarm takes its time to be over, and that is a revision, too; a follower then looks up to 31 s later.
    const behind = () => this.followers.some(({ copy }) => copy.since !== lists.revision);
    for (let again = 0; again < 12 && behind(); again += 1) {
      await this.operator.client.process.run?.sleep(10_000);
      lists = await listAll(this.operator.peer, 1000);
    }
    const truths: TrueNode[] = [];
    for (const node of this.nodes) {
      const { node: truth, wrong } = await node.truth();
      say(...wrong);
      // One that never came through to a conductor is nobody's to know.
      if (truth.state === "LIVE" || lists.nodes.some(({ id }) => id === node.id)) truths.push(truth);
    }
    for (const { id, devices } of truths)
      for (const { source, uuid } of devices) this.#known.add(keyOf(id, source, uuid));
    say(...judgeQuiet({ nodes: truths, known: this.#known }, lists), ...judgeIdentity(lists, this.#known));
    const ids = new Set(lists.nodes.map(({ id }) => `node ${id}`));
    this.#acknowledged.listed("node ", ids, { asked, revision: lists.revision });
    const lost = truths.filter(({ state }) => state === "LOST").map(({ id }) => ({ kind: "agent.lost", node: id }));
    say(...judgeAlarms(lost, await firing(this.operator.peer, "agent.lost")));
    say(...(await this.operator.judge()));
    for (const follower of this.followers)
      if (!follower.judge(lists, this.#auditor.log))
        say(
          `after quiet: ${follower.client.process.name} is at revision ${follower.copy.since}, the list at ${lists.revision}`,
        );
    journal.write(
      `COMPARED at revision ${lists.revision}: ${lists.nodes.length} nodes, ${lists.hardware.length} devices`,
    );
  }

  async #close(): Promise<void> {
    for (const process of this.stage.network.processes.values()) process.run?.end();
    await settle();
    for (const conductor of this.conductors) await conductor.closed();
    await this.#registry.close();
    this.#auditor.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
