import type { HistoryEntry } from "../../contract/device/setup.ts";
import type { SetupContext } from "../../tiers/device.ts";
import type { Facts } from "../facts/facts.ts";
import type { Hands } from "../hands/hands.ts";
import { BlockedError } from "../hands/hands.ts";
import type { Step } from "../plan/steps.ts";
import { aimsIn, stateOf } from "./aims.ts";
import { carryOut, createProgress, type Work } from "./carry-out.ts";
import { type Context, driversOf, look, messageOf, sleep } from "./context.ts";
import type { Begun } from "./records.ts";

/** How a setup that has begun to write ended. */
export type Ended =
  | { outcome: "done" }
  /** `clean`: everything is as it was before. */
  | { outcome: "failed"; clean: boolean; message: string }
  | { outcome: "blocked"; message: string; error: BlockedError };

type Onward = Pick<SetupContext, "onProgress">;

/** Carries a begun setup out, and back when something fails; a write that blocks ends it where it is. */
export async function run(context: Context, hands: Hands, begun: Begun, onward: Onward): Promise<Ended> {
  const progress = createProgress((steps) => onward.onProgress(steps));
  const work = workOf(context, hands, begun, progress);
  try {
    await carryOut({ ...work, aims: (facts) => aimsIn(facts, begun.functions, "to") });
    return { outcome: "done" };
  } catch (error) {
    const why = messageOf(error);
    progress.failRest("not done, as the setup failed");
    if (error instanceof BlockedError) return { outcome: "blocked", message: why, error };
    return rollBack(context, hands, begun, { why, progress });
  }
}

/** Everything back to what it was before; says what state was left. */
export async function rollBack(
  context: Context,
  hands: Hands,
  begun: Begun,
  { why, progress }: { why: string; progress: ReturnType<typeof createProgress> },
): Promise<Ended> {
  const work = workOf(context, hands, begun, {
    ...progress,
    plan: (names) => progress.plan(names.map((name) => `roll back: ${name}`)),
    begin: (name) => progress.begin(`roll back: ${name}`),
  });
  try {
    await carryOut({
      ...work,
      note: noting(context, begun, "rollback"),
      aims: (facts) => aimsIn(facts, begun.functions, "before"),
    });
    return { outcome: "failed", clean: true, message: `${why}. Rolled back: it is as it was before` };
  } catch (error) {
    progress.failRest("not done, as the rollback failed");
    const message = `${why}. The rollback failed as well: ${messageOf(error)}`;
    if (error instanceof BlockedError) return { outcome: "blocked", message, error };
    const left = await work.look().then(
      (facts) => stateOf(facts, begun.functions),
      (unread) => `unknown, as it cannot be read: ${messageOf(unread)}`,
    );
    return { outcome: "failed", clean: false, message: `${message}. What is left: ${left}` };
  }
}

function workOf(
  context: Context,
  hands: Hands,
  begun: Begun,
  progress: Work["progress"],
): Omit<Work, "aims"> & { look(): Promise<Facts> } {
  const { sysfs, deadlines, world } = context;
  return {
    sysfs,
    hands,
    deadlines,
    progress,
    look: () => look(context, hands, begun, { drivers: driversOf(begun.functions) }),
    note: noting(context, begun, begun.kind),
    now: () => world.monotonic(),
    sleep: (ms) => sleep(world, ms),
  };
}

/** Each write goes to the journal before it begins, and to the journal and the device's history when it has ended. */
function noting({ records, naming, world }: Context, begun: Begun, kind: HistoryEntry["kind"]): Work["note"] {
  const { operation, actor } = begun;
  let time = "";
  return async (step: Step, outcome, message) => {
    if (outcome === null) time = world.now().toISOString();
    const { path, from, to } = step.write;
    const entry: HistoryEntry = {
      time,
      operation,
      kind,
      actor,
      address: step.address,
      path,
      from,
      to,
      outcome: outcome ?? "failed",
      message: message ?? (outcome === null ? "it had begun, and its end is not known" : null),
    };
    if (outcome === null) return records.note(operation, entry, false);
    try {
      await records.note(operation, entry, true);
      // A VF's writes are its PF's, whose setup made it.
      const owner = begun.functions.find((fn) => fn.address === step.address)?.uuid ?? begun.uuid;
      await records.remember(owner, entry);
      // What is no device of its own, as the sound of a GPU, has no history that could be asked for.
      if (owner !== begun.uuid && naming.listed(step.address) === null) await records.remember(begun.uuid, entry);
    } catch (error) {
      // What was written is written: the journal's first line is enough to get back, and the next step is refused.
      world.log("error", "a setup's write could not be noted", { operation, path, error: messageOf(error) });
    }
  };
}
