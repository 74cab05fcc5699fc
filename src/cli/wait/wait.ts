import type { Command } from "commander";
import type { Hardware } from "../../contract/hardware.ts";
import type { Node } from "../../contract/node.ts";
import { deviceCalled, tried } from "../describe/read.ts";
import { Exit, NotThere } from "../exit.ts";
import { hardware, wordsOf } from "../get/kinds/hardware.ts";
import { nodeCalled, nodes } from "../get/kinds/nodes.ts";
import { bare } from "../get/select.ts";
import { writeError } from "../host/stderr.ts";
import { type Conductor, conductorOf, type FleetFlags, fleetOptions } from "../operator/conductor.ts";
import { follow } from "../operator/follow.ts";
import { all } from "../operator/pages.ts";
import { print } from "../output.ts";
import { durationMs } from "../show/duration.ts";
import { printable } from "../text.ts";
import { deviceSeen, nodeSeen, parseAim, type Seen } from "./aim.ts";

export const examples = `
Examples:
  sinew wait hardware/8e45a2ea --for ready                    after a setup, a reboot, a repair
  sinew wait hardware/n1/0000:3b:00.0 --for gone --timeout 1h
  sinew wait node/n1 --for live --timeout 10m                 also before it has ever come
  sinew wait hardware/8e45a2ea --for condition=LinkFull       or condition=LinkFull=false
  sinew wait node/n1 --for condition=HardwarePresent

A device is ready when its source says so now, not when it was known to be. A node is gone when it is LOST, LEFT or forgotten;
what was never there is not gone, and the status is 1.
Exit status: 0 it is so, 1 it could not be asked, 2 bad usage, 3 waited in vain.`;

interface Flags extends FleetFlags {
  for: string;
  timeout: string;
}

export function define(command: Command): void {
  command
    .argument("<WHAT>", "hardware/ID or node/NAME, as `sinew get -o name` prints them")
    .requiredOption("--for <STATE>", "ready or gone (hardware), live or gone (node), condition=TYPE[=STATUS]")
    .option("--timeout <TIME>", "how long, such as 30s, 5m, 2h; 0s only looks once", "5m");
  fleetOptions(command).action((what: string, flags: Flags) => wait(what, flags));
}

/** The first look is had in any case, unless it has no end. */
const FIRST_MS = 30_000;

/** What comes of some work, or null where that takes longer. */
async function within<T>(ms: number, work: Promise<T>): Promise<T | null> {
  const late = Promise.withResolvers<null>();
  const timer = setTimeout(() => late.resolve(null), ms);
  return Promise.race([work, late.promise]).finally(() => clearTimeout(timer));
}

/** What is looked at again and again, and which part of the feed says that it may be another. */
interface Watched {
  look(): Promise<Seen>;
  filter: Record<string, string>;
  /** Why nothing is called so at the beginning; null: something is. */
  missing: NotThere | null;
}

async function wait(what: string, flags: Flags): Promise<void> {
  const [name, id] = [bare(nodes)(what), bare(hardware)(what)];
  const kind = name !== what ? "node" : id !== what ? "hardware" : null;
  if (kind === null || name === "" || id === "")
    throw new Exit(2, `expected hardware/ID or node/NAME, found ${JSON.stringify(what)}`);
  const aim = parseAim(flags.for, kind);
  const limit = durationMs("--timeout", flags.timeout, { least: 0 });
  const began = performance.now();
  const conductor = await conductorOf(flags);
  const newest = async () => ((await conductor.ask("/nodes?limit=1")) as { revision: number }).revision;
  async function begin() {
    // The feed is followed from before the first look: what comes between the two is in both.
    const revision = await newest();
    const watched =
      kind === "hardware"
        ? await device(conductor, id, (found) => deviceSeen(aim, found))
        : await node(conductor, name, (found) => nodeSeen(aim, found));
    return { revision, watched, seen: await watched.look() };
  }
  const begun = await within(Math.max(limit, FIRST_MS), begin());
  if (begun === null) throw new Exit(1, printable(`${what} could not be looked at in time: its conductor is slow`));
  let { revision, seen } = begun;
  const { look, filter, missing } = begun.watched;
  if (missing !== null) {
    // A word that was misspelt is gone as well.
    if (aim.word === "gone") throw missing;
    writeError(`sinew: note: ${missing.message}\n`);
  }
  const met = () => print(`${printable(what)}: ${printable(seen.now)}\n`);
  if (seen.met) return met();
  const inVain = () =>
    new Exit(3, printable(`waited ${flags.timeout} for ${what} to be ${flags.for}, in vain: ${seen.now}`));
  const left = limit - (performance.now() - began);
  if (left <= 0) throw inVain();
  writeError(`sinew: waiting for ${printable(what)} to be ${printable(flags.for)}: ${printable(seen.now)}\n`);

  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), left);
  const late = new Promise<null>((resume) => abort.signal.addEventListener("abort", () => resume(null)));
  let away = false;
  // What was not answered, when there was news, is asked again when the conductor is heard again.
  let due = false;
  try {
    for await (const news of follow(conductor.where, { from: () => revision, signal: abort.signal, filter })) {
      if (news.kind === "lost") {
        if (!away) writeError(`sinew: ${news.why}; trying again\n`);
        away = true;
        continue;
      }
      due ||= news.kind !== "quiet" || away;
      away = false;
      if (!due) continue;
      if (news.kind === "listAgain") {
        const at = await Promise.race([tried(newest), late]);
        if (at !== null && "found" in at) revision = at.found;
      }
      const looked = await Promise.race([tried(look), late]);
      if (looked === null) break;
      if ("why" in looked) continue;
      due = false;
      seen = looked.found;
      if (seen.met) return met();
    }
  } finally {
    clearTimeout(timer);
    abort.abort();
  }
  throw inVain();
}

async function device(conductor: Conductor, said: string, judge: (found: Hardware | null) => Seen): Promise<Watched> {
  const [, name, address] = /^(.+)\/([0-9a-f:.]+)$/i.exec(said) ?? [];
  if (name !== undefined && address !== undefined) {
    // One that is not there yet may come: at this address of this node.
    const filter = { node: name };
    const find = async () => {
      const there = await all<Hardware>(conductor.ask, "hardware", "/hardware", new URLSearchParams(filter));
      const at = there.filter((one) => wordsOf(one).names.includes(said));
      // What was there before and is GONE does not hide what is there now.
      return at.find(({ freshness }) => freshness !== "GONE") ?? at[0] ?? null;
    };
    const missing = (await find()) === null ? await missingOf(() => deviceCalled(conductor, said)) : null;
    return { look: async () => judge(await find()), filter, missing };
  }
  const { uuid, node } = await deviceCalled(conductor, said);
  return {
    look: async () => judge((await conductor.find(`/hardware/${uuid}`)) as Hardware | null),
    filter: { uuid, node: node.id },
    missing: null,
  };
}

async function node(conductor: Conductor, said: string, judge: (found: Node | null) => Seen): Promise<Watched> {
  let id: string | null = null;
  // A name that no node has yet is waited for as it is.
  const missing = await missingOf(async () => {
    id = (await nodeCalled(conductor, said)).id;
  });
  const at = `/nodes/${encodeURIComponent(id ?? said)}`;
  return {
    look: async () => judge((await conductor.find(at)) as Node | null),
    filter: id === null ? {} : { node: id },
    missing,
  };
}

/** What is thrown where nothing is called so; null: nothing is thrown. Throws all else. */
async function missingOf(find: () => Promise<unknown>): Promise<NotThere | null> {
  try {
    await find();
    return null;
  } catch (error) {
    if (error instanceof NotThere) return error;
    throw error;
  }
}
