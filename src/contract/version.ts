/** The internal API's version, `MAJOR.MINOR`. Inside a major version changes are additive only. */
export const API_VERSION = "1.0";

/** The oldest and newest version this program speaks. */
export const API_RANGE = { min: API_VERSION, max: API_VERSION };

export const VERSION_HEADER = "Sinew-Api-Version";

export type Role = "driver" | "agent" | "conductor";
/** From below: each tier asks those before it. */
const RANKS: readonly string[] = ["driver", "agent", "conductor"] satisfies Role[];

/** Names the role of a tier that asks for hardware; a tier asked by one that is not above it says no, so no loop runs. */
export const ASKER_HEADER = "Sinew-Asked-By";

/**
 * Who asked, percent-encoded, as the history names them: at the tier above, or which user of this machine. Believed only from
 * what is above, and from who proved to read the state directory.
 */
export const ACTOR_HEADER = "Sinew-Actor";

/** Whether `asker`, a header's word, is a tier that must not ask this one. A word that is no role may. */
export const asksUpward = (asker: string, role: Role): boolean => {
  const rank = RANKS.indexOf(asker);
  return rank !== -1 && rank <= RANKS.indexOf(role);
};

/** `"1.10"` as `[1, 10]`: two integers, never a decimal number. Null for anything else. */
export function parseVersion(text: string): [major: number, minor: number] | null {
  const match = /^(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})$/.exec(text);
  return match ? [Number(match[1]), Number(match[2])] : null;
}

function compareVersions(a: string, b: string): number {
  const [majorA, minorA] = parseVersion(a) ?? [0, 0];
  const [majorB, minorB] = parseVersion(b) ?? [0, 0];
  return majorA - majorB || minorA - minorB;
}

/** The highest version both sides speak, or null when their ranges do not meet. */
export function negotiate(peer: { min: string; max: string }, own = API_RANGE): string | null {
  const highest = compareVersions(peer.max, own.max) < 0 ? peer.max : own.max;
  const lowest = compareVersions(peer.min, own.min) > 0 ? peer.min : own.min;
  return compareVersions(highest, lowest) >= 0 ? highest : null;
}
