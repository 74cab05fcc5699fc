import type { NodeKey } from "../../src/auth/node-key.ts";
import { parseCidrs } from "../../src/client/address.ts";
import type { HardwareList } from "../../src/contract/hardware.ts";
import type { AgentTier } from "../../src/create/agent.ts";
import { createAgent } from "../../src/create/agent.ts";
import { createDriver, type DriverTier } from "../../src/create/driver.ts";
import { type LinkUp, linkUp } from "../../src/create/link.ts";
import type { TrueNode } from "../truth/quiet.ts";
import { Bus } from "./bus.ts";
import type { Dice } from "./dice.ts";
import { Document } from "./disk.ts";
import { nodeKey } from "./key.ts";
import { Machine, Process, type Run, type Stage } from "./process.ts";

export const DIAL = parseCidrs("10.0.0.0/8") ?? [];

interface Options {
  conductor: string;
  leaseSeconds: number | null;
  /** One of its drivers has a process of its own. */
  remote: boolean;
  /** It joins with a key and holds a link: resolves when the conductors' database has its key. Null: it calls over HTTP. */
  admit: ((node: { id: string; name: string }, key: string) => Promise<void>) | null;
}

/** How long a machine takes to tell its drivers that a card came or went. */
const UEVENT_MS = 500;

/** A machine with cards: its agent, the drivers in it, and for some nodes a driver with a process of its own. */
export class SimNode {
  readonly id: string;
  readonly name: string;
  readonly machine: Machine;
  readonly agent: Process;
  readonly driver: Process | null;
  readonly document = new Document();
  readonly buses: Bus[];
  /** What a conductor last took of it: READY or LEAVING. */
  said: string | null = null;
  /** It says LEAVING over its link: a conductor may take that, though it is too late for an answer. */
  leaving = false;
  /** Its agent has taken the remote driver's hello. */
  registered = false;
  joined = false;
  #tier: AgentTier | null = null;
  #drivers = new Map<string, DriverTier>();
  readonly #stage: Stage;
  readonly #dice: Dice;
  readonly #options: Options;
  #key: NodeKey | null = null;
  #link: LinkUp | null = null;
  #joining = false;

  constructor(number: number, stage: Stage, options: Options) {
    this.#stage = stage;
    this.#options = options;
    this.name = `n${number}`;
    this.#dice = stage.dice.fork(this.name);
    this.id = this.#dice.uuid();
    this.machine = new Machine(`10.0.${number >> 8}.${number & 255}`);
    this.agent = new Process(`agent ${this.name}`, this.machine, 1337, stage);
    this.driver = options.remote ? new Process(`driver ${this.name}`, this.machine, 1338, stage) : null;
    const bus = (driver: string, type: string) =>
      new Bus({ node: this.id, driver, type, dice: this.#dice.fork(driver) });
    this.buses = [bus("gpu", "GPU"), bus("nic", "NIC"), ...(options.remote ? [bus("fpga", "FPGA")] : [])];
    for (const one of this.buses) for (let card = 0; card < 1 + this.#dice.int(3); card += 1) one.add();
  }

  /** It has joined with a key, or will. */
  get linked(): boolean {
    return this.#options.admit !== null;
  }

  async startAgent(): Promise<void> {
    if (this.agent.run || this.#joining) return;
    const { admit } = this.#options;
    if (!admit || this.#key) return this.#beginAgent(this.#key);
    this.#joining = true;
    const { clock } = this.#stage;
    // Not to be waited for here: somebody else may be writing, and time has to pass until he is done.
    void this.#join(admit).then((key) => {
      this.#key = key;
      this.#joining = false;
      if (!this.agent.run) void clock.real(this.#beginAgent(key));
    });
  }

  async #join(admit: NonNullable<Options["admit"]>): Promise<NodeKey> {
    const key = await this.#stage.clock.real(nodeKey(this.#dice.fork("key")));
    await admit({ id: this.id, name: this.name }, key.thumbprint);
    return key;
  }

  async #beginAgent(key: NodeKey | null): Promise<void> {
    const run = this.agent.begin();
    const node = { id: this.id, name: this.name };
    const bootId = run.world.uuid();
    const link = key && this.#linkOf(run, key, bootId);
    const drivers = await Promise.all(
      this.buses
        .filter(({ driver }) => driver !== "fpga")
        .map((bus) =>
          createDriver({
            auth: "open",
            name: bus.driver,
            type: bus.type,
            discover: () => this.#look(run, bus),
            world: run.world,
            node,
            bootId: run.world.uuid(),
          }),
        ),
    );
    const agent = await createAgent({
      auth: "open",
      node,
      drivers,
      world: run.world,
      store: this.document.store(run, this.#dice),
      endpoint: this.agent.endpoint,
      conductor: link?.conductor ?? this.#options.conductor,
      bootId,
      dial: DIAL,
      leaseSeconds: this.#options.leaseSeconds,
    });
    for (const driver of drivers) this.#drivers.set(driver.name, driver);
    this.#tier = agent;
    this.#link = link;
    run.fetch = agent.fetch;
    run.ended.add(() => {
      if (this.#tier === agent) this.#tier = null;
      for (const driver of drivers) if (this.#drivers.get(driver.name) === driver) this.#drivers.delete(driver.name);
    });
    this.joined = true;
    link?.start(agent);
    void agent.start();
  }

  #linkOf(run: Run, key: NodeKey, bootId: string): LinkUp {
    return linkUp({
      url: this.#options.conductor,
      tls: null,
      node: { id: this.id, key },
      bootId,
      world: run.world,
      connect: (url, options) => this.#stage.network.connect(this.#stage, run, url, options),
    });
  }

  async startDriver(): Promise<void> {
    const bus = this.buses.find(({ driver }) => driver === "fpga");
    if (!this.driver || this.driver.run || !bus) return;
    const run = this.driver.begin();
    const driver = await createDriver({
      auth: "open",
      name: bus.driver,
      type: bus.type,
      discover: () => this.#look(run, bus),
      world: run.world,
      node: { id: this.id, name: this.name },
      agent: this.agent.endpoint,
      endpoint: this.driver.endpoint,
      bootId: run.world.uuid(),
    });
    this.#drivers.set(bus.driver, driver);
    run.fetch = driver.fetch;
    run.ended.add(() => this.#drivers.get(bus.driver) === driver && this.#drivers.delete(bus.driver));
    void driver.start();
  }

  /** Looking takes time, and what is seen is what is there at its end. */
  async #look(run: Run, bus: Bus) {
    await run.sleep(this.#dice.between(1, 50));
    return bus.discover();
  }

  /** Ends in good order, which takes its time. */
  stop(which: "agent" | "driver"): void {
    const process = which === "agent" ? this.agent : this.driver;
    const tier = which === "agent" ? this.#tier : this.#drivers.get("fpga");
    const run = process?.run;
    if (!run || !tier) return;
    this.#stage.journal.write(`${process.name} is told to stop`);
    const link = which === "agent" ? this.#link : null;
    void tier.stop().then(() => {
      if (run.alive) link?.stop();
      run.end();
    });
  }

  /** Something happens to its hardware, and its drivers are told. */
  changeHardware(): string {
    const bus = this.#dice.pick(this.buses);
    const what = bus.change();
    this.tell(bus);
    return `${this.name}: ${what}`;
  }

  tell(bus: Bus): void {
    const { clock } = this.#stage;
    clock.after(this.#dice.next() * UEVENT_MS, () => {
      const process = bus.driver === "fpga" ? this.driver : this.agent;
      const driver = this.#drivers.get(bus.driver);
      if (!driver || !process?.run) return;
      clock.after(0, () => void driver.refresh(), { run: process.run, process });
    });
  }

  mend(): void {
    for (const bus of this.buses) {
      bus.mend();
      this.tell(bus);
    }
  }

  /** What its agent reports, compared with what is there. */
  async truth(): Promise<{ node: TrueNode; wrong: string[] }> {
    const wrong: string[] = [];
    const running = this.agent.run !== null;
    // One that was never heard is waited for, once it has joined.
    const silent = this.linked && this.said === null ? "EXPECTED" : "LOST";
    const state = running ? "LIVE" : this.said === "LEAVING" ? "LEFT" : silent;
    const node: TrueNode = { id: this.id, name: this.name, state, sources: [], devices: [] };
    if (!this.#tier) return { node, wrong };
    const answer = await this.#tier.fetch(new Request("http://localhost/hardware"), { remoteAddress: "127.0.0.1" });
    const { hardware, sources: reported } = (await answer.json()) as HardwareList;
    const sources = this.buses
      .filter(({ driver }) => driver !== "fpga" || this.registered || reported.some(({ name }) => name === driver))
      .map(({ driver }) => ({ name: driver, ok: driver !== "fpga" || this.driver?.run !== null }));
    node.sources = sources;
    for (const { name, ok } of sources)
      if ((reported.find((source) => source.name === name)?.status === "OK") !== ok)
        wrong.push(`after quiet: ${name} on ${this.name} is ${ok ? "" : "not "}well, and its agent does not say so`);
    for (const bus of this.buses) {
      if (!sources.some(({ name, ok }) => name === bus.driver && ok)) continue;
      const own = hardware.filter(({ source }) => source === bus.driver);
      const names = own.filter(({ freshness }) => freshness === "FRESH").map(({ name }) => name);
      const there = bus.cards.map((card) => bus.nameOf(card));
      if (names.sort().join() !== there.sort().join())
        wrong.push(
          `after quiet: ${this.name} has ${there.join(", ") || "nothing"}, and its agent reports ${names.join(", ") || "nothing"} of ${bus.driver}`,
        );
      node.devices.push(...own.map(({ uuid, source, name }) => ({ uuid, source, name })));
    }
    return { node, wrong };
  }
}
