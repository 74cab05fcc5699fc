import { SinewError } from "../../../contract/problem.ts";
import type { Database } from "../../../db/database.ts";
import { keptAfter } from "../../../db/queries/changes.ts";

/** Throws SinewError epoch for a position of another history, too_old for one that is no longer kept. */
export async function checkPosition(
  db: Database,
  since: number,
  { epoch, newest }: { epoch: string | undefined; newest: number },
): Promise<void> {
  if ((epoch !== undefined && epoch !== db.epoch) || since > newest)
    throw new SinewError("epoch", `since=${since} belongs to another history: list again, this one is ${db.epoch}`);
  const oldest = await keptAfter(db.read);
  if (since < oldest) throw tooOld({ since, oldest, newest });
}

const tooOld = ({ since, oldest, newest }: { since: number; oldest: number; newest: number }) =>
  new SinewError(
    "too_old",
    `since=${since}: changes are kept from ${oldest} on; list again, then ask since the list's revision`,
    { revision: newest },
  );
