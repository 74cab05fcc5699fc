import type { Dice } from "./dice.ts";
import type { Machine } from "./process.ts";
import type { Simulation } from "./simulation.ts";

/** One thing that goes wrong: says what, begins at once, and is over when `mend` is called, which may be at any time. */
interface Trouble {
  what: string;
  /** How long it lasts unless all is mended before. */
  ms: number;
  mend: () => void;
}

const nothing = () => {};
const SECOND = 1_000;
const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

/** Mostly short, now and then long. */
const lasting = (dice: Dice, longest: number) => SECOND * 0.2 + longest * dice.next() ** 3;

function weather(
  simulation: Simulation,
  on: (from: Machine, to: Machine) => boolean,
  how: { loss?: number; twice?: number; slowMs?: number },
): () => void {
  const { network } = simulation.stage;
  const one = { on, loss: 0, twice: 0, slowMs: 0, ...how };
  network.weather.push(one);
  return () => {
    network.weather = network.weather.filter((other) => other !== one);
  };
}

/** Some nodes, few as a rule. */
function someMachines(simulation: Simulation, dice: Dice): { machines: Set<Machine>; names: string } {
  const part = dice.pick([0, 0, 0.3, 0.6, 1]);
  const nodes = simulation.nodes.filter(() => dice.chance(part));
  if (nodes.length === 0) nodes.push(dice.pick(simulation.nodes));
  return { machines: new Set(nodes.map(({ machine }) => machine)), names: nodes.map(({ name }) => name).join(" ") };
}

const between = (machines: Set<Machine>) => (from: Machine, to: Machine) =>
  from !== to && (machines.has(from) || machines.has(to));

/** All that can go wrong, by name. */
export const FAULTS: Record<string, (simulation: Simulation, dice: Dice) => Trouble> = {
  partition(simulation, dice) {
    const { machines, names } = someMachines(simulation, dice);
    const way = dice.pick(["both ways", "to them", "from them"] as const);
    const on = (from: Machine, to: Machine) =>
      from !== to && ((way !== "from them" && machines.has(to)) || (way !== "to them" && machines.has(from)));
    return {
      what: `cut off, ${way}: ${names}`,
      ms: lasting(dice, 8 * MINUTE),
      mend: weather(simulation, on, { loss: 1 }),
    };
  },
  loss(simulation, dice) {
    const { machines, names } = someMachines(simulation, dice);
    const loss = dice.between(0.02, 0.6);
    return {
      what: `${Math.round(loss * 100)} % are lost: ${names}`,
      ms: lasting(dice, 10 * MINUTE),
      mend: weather(simulation, between(machines), { loss }),
    };
  },
  twice(simulation, dice) {
    const { machines, names } = someMachines(simulation, dice);
    const mend = weather(simulation, between(machines), { twice: dice.between(0.05, 0.5), slowMs: 2_000 });
    return { what: `requests come twice: ${names}`, ms: lasting(dice, 10 * MINUTE), mend };
  },
  slow(simulation, dice) {
    const { machines, names } = someMachines(simulation, dice);
    const slowMs = dice.pick([100, 1_000, 5_000, 20_000]);
    return {
      what: `up to ${slowMs} ms late: ${names}`,
      ms: lasting(dice, 10 * MINUTE),
      mend: weather(simulation, between(machines), { slowMs }),
    };
  },
  links(simulation, dice) {
    const { machines, names } = someMachines(simulation, dice);
    const how = dice.pick([
      "are reset",
      "are reset at the agent",
      "are reset at the conductor",
      "are forgotten",
    ] as const);
    for (const wire of [...simulation.stage.network.wires]) {
      if (!machines.has(wire.dialler.run.process.machine)) continue;
      if (how === "are forgotten") wire.forgotten = true;
      if (how === "are reset" || how === "are reset at the agent") wire.dialler.vanish("the connection was reset");
      if (how === "are reset" || how === "are reset at the conductor") wire.acceptor.vanish("the connection was reset");
    }
    return { what: `links ${how}: ${names}`, ms: 0, mend: nothing };
  },
  "conductor killed"(simulation, dice) {
    const conductor = dice.pick(simulation.conductors);
    const fatal = dice.pick([null, "before", "middle", "middle", "after"] as const);
    if (fatal === null) conductor.process.run?.end();
    else conductor.disk.fatal = fatal;
    const mend = () => {
      conductor.disk.fatal = null;
      simulation.begin(conductor);
    };
    return { what: `${conductor.process.name} killed (${fatal ?? "now"})`, ms: lasting(dice, 3 * MINUTE), mend };
  },
  "conductor restarted"(simulation, dice) {
    const conductor = dice.pick(simulation.conductors);
    conductor.stop();
    return {
      what: `${conductor.process.name} restarted`,
      ms: 2 * SECOND + lasting(dice, MINUTE),
      mend: () => simulation.begin(conductor),
    };
  },
  "conductor paused"(simulation, dice) {
    const { process } = dice.pick(simulation.conductors);
    process.pause();
    return { what: `${process.name} paused`, ms: lasting(dice, 3 * MINUTE), mend: () => process.resume() };
  },
  "conductor disk"(simulation, dice) {
    const { disk, process } = dice.pick(simulation.conductors);
    const full = dice.chance(0.5);
    if (full) disk.full = true;
    else disk.slowMs = dice.pick([50, 500, 3_000]);
    const mend = () => {
      disk.full = false;
      disk.slowMs = 0;
      simulation.unsure();
    };
    return { what: `${process.name} has a ${full ? "full" : "slow"} disk`, ms: lasting(dice, 3 * MINUTE), mend };
  },
  "agent killed"(simulation, dice) {
    const node = dice.pick(simulation.nodes);
    const fatal = dice.pick([null, "before", "after"] as const);
    if (fatal === null) node.agent.run?.end();
    else node.document.disk.fatal = fatal;
    const mend = () => {
      node.document.disk.fatal = null;
      simulation.begin({ start: () => node.startAgent() });
    };
    // Now and then for good: what is dead is to be shown so.
    const stays = dice.chance(0.15);
    if (stays) simulation.dead.add(node);
    return {
      what: `agent of ${node.name} killed (${fatal ?? "now"})${stays ? " for good" : ""}`,
      ms: lasting(dice, 5 * MINUTE),
      mend: stays ? nothing : mend,
    };
  },
  "agent stopped"(simulation, dice) {
    const node = dice.pick(simulation.nodes);
    node.stop("agent");
    const stays = dice.chance(0.2);
    if (stays) simulation.dead.add(node);
    return {
      what: `agent of ${node.name} told to stop${stays ? " for good" : ""}`,
      ms: 3 * SECOND + lasting(dice, 3 * MINUTE),
      mend: stays ? nothing : () => simulation.begin({ start: () => node.startAgent() }),
    };
  },
  "agent paused"(simulation, dice) {
    const { agent, name } = dice.pick(simulation.nodes);
    agent.pause();
    return { what: `agent of ${name} paused`, ms: lasting(dice, 3 * MINUTE), mend: () => agent.resume() };
  },
  "agent disk"(simulation, dice) {
    const { document, name } = dice.pick(simulation.nodes);
    document.disk.full = true;
    const mend = () => {
      document.disk.full = false;
    };
    return { what: `agent of ${name} has a full disk`, ms: lasting(dice, 3 * MINUTE), mend };
  },
  "driver killed"(simulation, dice) {
    const node = dice.pick(simulation.nodes.filter(({ driver }) => driver !== null));
    node.driver?.run?.end();
    return {
      what: `driver of ${node.name} killed`,
      ms: lasting(dice, 3 * MINUTE),
      mend: () => simulation.begin({ start: () => node.startDriver() }),
    };
  },
  "driver stopped"(simulation, dice) {
    const node = dice.pick(simulation.nodes.filter(({ driver }) => driver !== null));
    node.stop("driver");
    return {
      what: `driver of ${node.name} told to stop`,
      ms: 3 * SECOND + lasting(dice, 3 * MINUTE),
      mend: () => simulation.begin({ start: () => node.startDriver() }),
    };
  },
  bus(simulation, dice) {
    const node = dice.pick(simulation.nodes);
    const bus = dice.pick(node.buses);
    bus.mood = dice.pick(["fails", "hangs"]);
    node.tell(bus);
    const mend = () => {
      bus.mend();
      node.tell(bus);
    };
    return { what: `${bus.driver} of ${node.name} ${bus.mood}`, ms: lasting(dice, 4 * MINUTE), mend };
  },
  hardware(simulation, dice) {
    const changes = Array.from({ length: 1 + dice.int(8) }, () => dice.pick(simulation.nodes).changeHardware());
    return { what: changes.join("; "), ms: 0, mend: nothing };
  },
  clock(simulation, dice) {
    const all = [
      ...simulation.conductors.map(({ process }) => process.machine),
      ...simulation.nodes.map(({ machine }) => machine),
    ];
    const machine = dice.chance(0.5) ? (all[0] ?? dice.pick(all)) : dice.pick(all);
    // Conductors of one database that differ by more than what is kept forget what the other has just written.
    const several =
      simulation.conductors.length > 1 && simulation.conductors.some((one) => one.process.machine === machine);
    const by = Math.round(dice.pick([-1, 1]) * dice.next() ** 4 * (several ? 14 : 365) * DAY);
    machine.wall += by;
    // A small one may stay, and whoever keeps clocks right sets a large one back: else what is old is a matter of opinion.
    const mend = () => {
      if (Math.abs(by) > DAY) machine.wall -= by;
    };
    return { what: `the clock of ${machine.address} jumps by ${by} ms`, ms: lasting(dice, 20 * MINUTE), mend };
  },
  discovery(simulation, dice) {
    for (let count = 1 + dice.int(3); count > 0; count -= 1) simulation.operator.discover();
    return { what: "an operator starts a discovery", ms: 0, mend: nothing };
  },
  follower(simulation, dice) {
    const follower = dice.pick(simulation.followers);
    const forget = dice.chance(0.4);
    follower.kill({ forget });
    return {
      what: `${follower.client.process.name} killed`,
      ms: lasting(dice, 2 * MINUTE),
      mend: () => follower.start(),
    };
  },
  join(simulation) {
    const node = simulation.addNode();
    return { what: node ? `${node.name} joins` : "nobody is left to join", ms: 0, mend: nothing };
  },
};

export const faultNames = Object.keys(FAULTS);
