/** Why a row is as its status says: reason and message of each thing, and what to do about it; since when. */
export interface Why {
  since: string | null;
  said: { text: string; action: string | null }[];
}

const joined = (parts: (string | null)[]): string | null => parts.filter((part) => part !== null).join("; ") || null;

/** All reasons in one text, without what to do about them. */
export const reasonText = ({ said }: Why): string | null => joined(said.map(({ text }) => text));

export const actionText = ({ said }: Why): string | null => joined(said.map(({ action }) => action));

/** Each reason with what to do about it in brackets. */
export const whyText = ({ said }: Why): string | null =>
  joined(said.map(({ text, action }) => (action ? `${text} (${action})` : text)));

/** What the columns of a table say and the API does not: for programs, which so need no logic of ours. */
export interface Shown {
  /** As STATUS has it, such as `NotReady,Cordoned`. */
  status: string;
  /** RFC 3339; null: it is not known. */
  since: string | null;
  /** As REASON and ACTION of `-o wide`; null: nothing is said. */
  reason: string | null;
  action: string | null;
}

export const shownOf = (status: string, why: Why): Shown => ({
  ...{ status, since: why.since, reason: reasonText(why), action: actionText(why) },
});
