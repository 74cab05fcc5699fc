import type { Operation } from "../../contract/operation.ts";
import type { Database } from "../../db/database.ts";
import { getOperation } from "../../db/queries/operations.ts";
import { sleep, type World } from "../../world.ts";

const LOOK_MS = 250;

/** Another process's operation, as soon as it is finished or as it stands after `waitMs`. Null: there is none. */
export async function storedOperation(
  db: Database,
  world: Pick<World, "monotonic" | "timer">,
  { uuid, waitMs }: { uuid: string; waitMs: number },
): Promise<Operation | null> {
  const until = world.monotonic() + waitMs;
  for (;;) {
    const operation = await getOperation(db.read, uuid);
    const left = until - world.monotonic();
    if (operation === null || operation.finished_at !== null || left <= 0) return operation;
    await sleep(world, Math.min(LOOK_MS, left));
  }
}
