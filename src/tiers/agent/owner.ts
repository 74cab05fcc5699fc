import type { Caller } from "../../auth/caller.ts";
import { SinewError } from "../../contract/problem.ts";

/** A process of this node, which shares its state directory. */
export const OWN = "node";
/** Nobody in particular: it came while auth mode was open. */
export const ANYONE = "anyone";

/**
 * Whose a driver is after this hello: the node's own, a token's, or anyone's. A token speaks for its own drivers alone,
 * a process of the node for any. Throws SinewError forbidden.
 */
export function ownerOf(caller: Caller, name: string, before: string | undefined): string {
  const forbidden = (detail: string) => new SinewError("forbidden", `name: ${detail}`);
  if (caller.role === "driver" && caller.driver && caller.driver !== name) {
    throw forbidden(`expected ${caller.driver}, the driver that this token is for, got ${name}`);
  }
  if (caller.local) return OWN;
  const owner = caller.token === undefined ? ANYONE : `token ${caller.token}`;
  if (before === undefined || before === ANYONE || before === owner) return owner;
  // A token that was made for this very driver takes the place of one before it, which may have been revoked.
  if (caller.driver === name && before !== OWN) return owner;
  throw forbidden(`driver ${name} came with another credential, and is that one's alone`);
}
