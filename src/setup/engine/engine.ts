import type { SetupPlan, SetupRequest } from "../../contract/device/setup.ts";
import { SinewError } from "../../contract/problem.ts";
import type { DeviceSetup, SetupContext } from "../../tiers/device.ts";
import { ruleText } from "../desired/rule.ts";
import type { Facts } from "../facts/facts.ts";
import { BlockedError, type Hands } from "../hands/hands.ts";
import { remaining } from "../plan/refusals.ts";
import { notThere } from "./carry-out.ts";
import { bootId, type Context, look, markStuck, messageOf, withHands } from "./context.ts";
import { forgetOriginals, noteFailure } from "./failure.ts";
import { lockNames, takeLocks } from "./locks.ts";
import { run } from "./operation.ts";
import { addressOf, type Known, prepare, refused } from "./prepare.ts";
import type { Begun, JournalFunction } from "./records.ts";
import { recoverOne } from "./recover.ts";

/**
 * Plans, carries out, takes back. `find` throws SinewError `not_found` for a device that is not listed; `changed` is told
 * when something may have been written.
 */
export function createEngine(context: Context, find: (uuid: string) => Known, changed: () => void): DeviceSetup {
  const { records, world } = context;

  async function plan(uuid: string, request: SetupRequest): Promise<SetupPlan> {
    const known = find(uuid);
    return context.planning(() => planned(known, request));
  }

  function planned(known: Known, request: SetupRequest): Promise<SetupPlan> {
    return withHands(context, async (hands) => {
      const { plan } = await prepare(context, hands, known, request).catch(answered);
      return plan;
    });
  }

  async function apply(uuid: string, request: SetupRequest, asked: SetupContext): Promise<void> {
    const known = find(uuid);
    await withHands(context, async (hands) => {
      const locks = await takeLocks(
        records,
        lockNames(await look(context, hands, { address: addressOf(known.device), uuid }).catch(answered)),
      );
      try {
        // What an earlier setup left is not what this one begins with: a rollback of that would take this one back.
        await settle(context, known);
        await applyLocked(context, hands, known, request, asked);
        changed();
      } catch (error) {
        // What was refused changed nothing.
        if (!(error instanceof SinewError)) changed();
        if (!(error instanceof BlockedError)) throw error;
        // The locks stay until the write has returned, and what it left is dealt with.
        const { release } = locks;
        locks.release = () => {};
        error.ended
          .then(() => settle(context, known))
          .catch((late) => world.log("error", "what a blocked setup left is not known", { error: messageOf(late) }))
          .finally(() => {
            release();
            changed();
          });
        throw new Error(error.message);
      } finally {
        locks.release();
      }
    });
  }

  return { plan, apply, history: (uuid) => records.history(uuid) };
}

/** A device that does not answer is busy to whoever asks. */
function answered(error: unknown): never {
  throw error instanceof BlockedError ? new SinewError("busy", error.message) : error;
}

/** What an earlier setup has not ended is verified as at a start: of a write that has returned after all, for one. */
async function settle(context: Context, { device }: Known): Promise<void> {
  context.stuck.delete(addressOf(device));
  for (const { begun } of await context.records.unfinished()) {
    if (begun.functions.some(({ uuid }) => uuid === device.uuid))
      await withHands(context, (hands) => recoverOne(context, hands, begun));
  }
}

async function applyLocked(
  context: Context,
  hands: Hands,
  known: Known,
  request: SetupRequest,
  asked: SetupContext,
): Promise<void> {
  const { records, world } = context;
  const { uuid } = known.device;
  const { facts, functions, plan, record, steps, aims } = await prepare(context, hands, known, request, asked.actor);
  const refusals = remaining(plan.refusals, request.force);
  if (refusals.length > 0) throw refused(refusals);
  const rule = known.rule && ruleText(known.rule);
  const revert = request.revert === true;
  const settled = { reverted: revert ? rule : null, failure: null };
  if (steps.length === 0) {
    const wrong = notThere(context.sysfs, facts, aims);
    if (wrong !== null) {
      await noteFailure(context, { uuid, rule }, wrong);
      throw new Error(wrong);
    }
    asked.onProgress([]);
    return records.save(uuid, { original: revert ? null : record.original, ...settled });
  }
  const begun: Begun = {
    operation: asked.operation,
    kind: revert ? "revert" : "apply",
    actor: asked.actor,
    time: world.now().toISOString(),
    boot: bootId(context),
    uuid,
    address: facts.device.address,
    rule,
    functions,
  };
  try {
    if (!revert) await keepOriginals(context, functions);
    await records.begin(begun);
  } catch (error) {
    throw new Error(
      `nothing was written, as what is there could not be kept in the state directory: ${messageOf(error)}`,
    );
  }
  const ended = await run(context, hands, begun, asked);
  if (ended.outcome === "done") {
    for (const fn of functions) {
      const { original } = await records.load(fn.uuid);
      await records.save(fn.uuid, { original: revert ? null : original, ...settled });
    }
    return records.finish(begun.operation);
  }
  if (ended.outcome === "blocked") {
    const message = `${ended.message}. Nothing after it was done. ${heldBy(facts)}`;
    await noteFailure(context, begun, message);
    world.log("error", "a setup is blocked in the kernel", { device: uuid, address: begun.address, error: message });
    const blocked = new BlockedError(message, ended.error.ended);
    markStuck(context, begun.address, blocked);
    throw blocked;
  }
  if (ended.clean) await forgetOriginals(context, functions);
  await noteFailure(context, begun, ended.message);
  await records.finish(begun.operation);
  throw new Error(ended.message);
}

/** Before the first write: what these functions are, flushed. */
async function keepOriginals({ records }: Context, functions: readonly JournalFunction[]): Promise<void> {
  for (const { uuid, before } of functions) {
    const record = await records.load(uuid);
    if (record.original === null) await records.save(uuid, { ...record, original: before });
  }
}

function heldBy({ holders, device }: Facts): string {
  const who = holders.filter(({ address, kind }) => address === device.address && kind === "process");
  return who.length > 0
    ? `Who has it: ${who.map(({ message }) => message).join("; ")}`
    : "No process was seen that has it open";
}
