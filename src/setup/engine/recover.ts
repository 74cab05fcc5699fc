import { SinewError } from "../../contract/problem.ts";
import { BlockedError, type Hands } from "../hands/hands.ts";
import { makePlan, stepsTo } from "../plan/plan.ts";
import { aimsIn, stateOf } from "./aims.ts";
import { createProgress } from "./carry-out.ts";
import { bootId, type Context, driversOf, look, messageOf, withHands } from "./context.ts";
import { forgetOriginals, noteFailure } from "./failure.ts";
import { lockNames, takeLocks } from "./locks.ts";
import { rollBack } from "./operation.ts";
import type { Begun } from "./records.ts";

/**
 * Setups that a process did not live to end: what they left is read back, and then they are done, rolled back or
 * reported. Those that another process of this node is at are left to it.
 */
export async function recover(context: Context): Promise<void> {
  const { records, world } = context;
  for (const { begun, steps } of await records.unfinished()) {
    const { operation, address } = begun;
    try {
      await withHands(context, async (hands) => {
        const locks = await locksFor(context, hands, begun);
        try {
          // It may have ended while this waited for its turn.
          if (!(await records.unfinished()).some((one) => one.begun.operation === operation)) return;
          for (const { entry, ended } of steps) if (!ended) await records.remember(begun.uuid, entry);
          await recoverOne(context, hands, begun);
        } finally {
          locks.release();
        }
      });
    } catch (error) {
      if (error instanceof SinewError && error.code === "busy") continue;
      world.log("error", "what an unfinished setup left is not known", { operation, address, error: messageOf(error) });
      await noteFailure(context, begun, `a setup was cut off, and what it left is not known: ${messageOf(error)}`);
    }
  }
}

/** Without the function there is nothing to be alone with. */
async function locksFor(context: Context, hands: Hands, begun: Begun): Promise<{ release(): void }> {
  try {
    return await takeLocks(context.records, lockNames(await look(context, hands, begun)));
  } catch (error) {
    if (error instanceof SinewError && error.code === "not_found") return { release() {} };
    if (error instanceof BlockedError && begun.boot !== bootId(context)) return { release() {} };
    throw error;
  }
}

/** The same with the locks taken. */
export async function recoverOne(context: Context, hands: Hands, begun: Begun): Promise<void> {
  const { records, world } = context;
  const { operation, address, uuid } = begun;
  const report = async (message: string) => {
    world.log("warn", "an unfinished setup was found", { operation, address, outcome: message });
    await noteFailure(context, begun, message);
    await records.finish(operation);
  };
  if (begun.boot !== bootId(context)) {
    return report("the machine restarted in the middle of it, which took back what was written");
  }
  const facts = await look(context, hands, begun, { drivers: driversOf(begun.functions), holders: true }).catch(
    (error) => {
      if (error instanceof SinewError && error.code === "not_found") return null;
      throw error;
    },
  );
  if (facts === null) return report(`it was cut off, and what it was about is not at ${address} any more`);
  if (stepsTo(context.sysfs, aimsIn(facts, begun.functions, "to")).length === 0) {
    const record = await records.load(uuid);
    const revert = begun.kind === "revert";
    const original = revert ? null : record.original;
    await records.save(uuid, { original, reverted: revert ? begun.rule : null, failure: null });
    world.log("info", "an unfinished setup was found, and all of it is in place", { operation, address });
    return records.finish(operation);
  }
  const aims = aimsIn(facts, begun.functions, "before");
  const { refusals } = makePlan({ sysfs: context.sysfs, facts, desired: null, aims, nameOf: (fn) => fn.address });
  const why = `it was cut off after ${begun.time}`;
  if (refusals.length > 0) {
    const against = refusals.map(({ name, reason }) => `${name}: ${reason}`).join(". ");
    return report(
      `${why}, and is not rolled back by itself (${against}). What is left: ${stateOf(facts, begun.functions)}`,
    );
  }
  const ended = await rollBack(context, hands, begun, { why, progress: createProgress(() => {}) });
  if (ended.outcome === "failed" && ended.clean) await forgetOriginals(context, begun.functions);
  // Blocked again, it stays unfinished: the next start looks once more.
  if (ended.outcome === "blocked") throw ended.error;
  if (ended.outcome === "failed") await report(ended.message);
}
