import { SinewError } from "../../contract/problem.ts";
import { deviceUuid } from "../../pci/identity.ts";
import type { createLimiter } from "../../tiers/limiter.ts";
import type { World } from "../../world.ts";
import type { Rule } from "../desired/rule.ts";
import type { Facts } from "../facts/facts.ts";
import { attribute } from "../facts/tree.ts";
import { BlockedError, type Hands } from "../hands/hands.ts";
import type { Original } from "../plan/steps.ts";
import type { Naming } from "./aims.ts";
import type { Deadlines } from "./carry-out.ts";
import type { JournalFunction, Records } from "./records.ts";

/** What all parts of the engine work with. */
export interface Context {
  sysfs: string;
  proc: string;
  rules: readonly Rule[];
  naming: Naming;
  records: Records;
  deadlines: Deadlines;
  world: Pick<World, "now" | "monotonic" | "timer" | "uuid" | "log" | "resolve">;
  makeHands(): Hands;
  /** Each plan takes a process: so many at once and no more. */
  planning: ReturnType<typeof createLimiter>;
  /** The URL of the conductor that this node reports to; null: none. */
  conductor(): string | null;
  /** Functions that a call has not come back from, with what it was on. */
  stuck: Map<string, string>;
}

export const sleep = (world: Context["world"], ms: number) =>
  new Promise<void>((resolve) => {
    world.timer(ms, resolve);
  });

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/**
 * Facts of the device `uuid` at `address`. Throws SinewError `not_found` where it is not, which may be because buses got
 * other numbers or another card sits there by now; `busy` where it does not answer.
 */
export async function look(
  context: Context,
  hands: Hands,
  { address, uuid }: { address: string; uuid: string },
  { drivers = [], holders = false }: { drivers?: string[]; holders?: boolean } = {},
): Promise<Facts> {
  const { sysfs, proc, stuck } = context;
  const blocked = stuck.get(address);
  if (blocked !== undefined) throw new SinewError("busy", blocked);
  try {
    const conductor = holders ? await conductorAddresses(context) : [];
    const facts = await hands.facts({ sysfs, proc, address, drivers, holders, conductor, interfaces: {} });
    if (facts && deviceUuid(context.naming.nodeId, facts.device) === uuid) return facts;
    if (facts) throw new SinewError("not_found", `another device than ${uuid} is at ${address} now`);
  } catch (error) {
    if (error instanceof BlockedError) markStuck(context, address, error);
    throw error;
  }
  throw new SinewError("not_found", `there is no ${address} any more`);
}

/** Remembers that a call on this function has not come back, until it has. */
export function markStuck({ stuck }: Context, address: string, { message, ended }: BlockedError): void {
  stuck.set(address, message);
  ended.then(() => stuck.delete(address));
}

async function conductorAddresses({ conductor, world }: Context): Promise<string[]> {
  const url = conductor();
  if (url === null || !URL.canParse(url)) return [];
  const host = new URL(url).hostname.replace(/^\[|\]$/g, "");
  if (host === "") return [];
  if (/^[\d.]+$|:/.test(host)) return [host];
  try {
    return await world.resolve(host);
  } catch (error) {
    // It is not reached at present, whichever way that would be.
    world.log("warn", "the conductor's name has no address: the way to it is not protected", {
      host,
      error: messageOf(error),
    });
    return [];
  }
}

/** Kernel drivers that a setup binds something to, on its way and back. */
export const driversOf = (functions: readonly JournalFunction[]): string[] => {
  const of = ({ driver, sriov }: Original) => [driver, ...(sriov?.vfs ?? []).map((vf) => vf.driver)];
  const names = functions.flatMap(({ before, to }) => [
    ...of(before),
    ...("wanted" in to ? [to.wanted.kernel_driver, to.wanted.vf_driver] : of(to.original)),
  ]);
  return [...new Set(names)].filter((name) => typeof name === "string");
};

/** Of this run of the kernel. */
export const bootId = ({ proc }: Pick<Context, "proc">): string => attribute(`${proc}/sys/kernel/random/boot_id`) ?? "";

export async function withHands<T>(context: Context, work: (hands: Hands) => Promise<T>): Promise<T> {
  const hands = context.makeHands();
  try {
    return await work(hands);
  } finally {
    hands.close();
  }
}
