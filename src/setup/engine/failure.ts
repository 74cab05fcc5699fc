import type { Context } from "./context.ts";
import type { Begun, JournalFunction } from "./records.ts";

/** Keeps why the last attempt failed: for the Configured condition, and so that `auto` does not try again at once. */
export async function noteFailure(
  { records, world }: Context,
  { uuid, rule }: Pick<Begun, "uuid" | "rule">,
  message: string,
): Promise<void> {
  const record = await records.load(uuid);
  const attempts = (record.failure?.rule === rule ? record.failure.attempts : 0) + 1;
  await records.save(uuid, { ...record, failure: { rule, time: world.now().toISOString(), attempts, message } });
}

/** What is as it was before its first setup was never set up. */
export async function forgetOriginals({ records }: Context, functions: readonly JournalFunction[]): Promise<void> {
  for (const { uuid, before } of functions) {
    const record = await records.load(uuid);
    if (JSON.stringify(record.original) === JSON.stringify(before))
      await records.save(uuid, { ...record, original: null });
  }
}
