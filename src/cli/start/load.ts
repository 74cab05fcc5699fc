/** A connection is taken in one turn of the event loop and its request read in the next. */
const TURNS = 3;

/**
 * Loads what every role is made of in pieces, and lets the listener answer between them: in one piece it keeps whoever
 * asks /healthz waiting for 100 ms, which is most of a start.
 */
export async function loadInPieces(): Promise<void> {
  const pieces = [
    () => import("zod"),
    () => import("../../contract/hardware.ts"),
    () => import("../../routes/app.ts"),
    () => import("../../routes/tiers.ts"),
  ];
  for (const load of pieces) {
    for (let turn = 0; turn < TURNS; turn++) await new Promise<void>((next) => setImmediate(next));
    await load();
  }
}
