import type { Cordon, CordonPatch, GivenChange, NodePatch, Said } from "../../../contract/fleet/given.ts";
import type { Given } from "../../../db/queries/fleet/given.ts";

/** Whether anything was given that is shown in the place of what the node says. */
export const hasWords = ({ name, labels }: Pick<Given, "name" | "labels">): boolean => name !== null || labels !== null;

/** What is shown of a node that says this. */
export const shownOf = ({ name, labels }: Pick<Given, "name" | "labels">, says: Said): Said => ({
  name: name ?? says.name,
  labels: { ...says.labels, ...labels },
});

export const saysSame = (a: Said | null, b: Said): boolean =>
  a !== null && a.name === b.name && JSON.stringify(a.labels) === JSON.stringify(b.labels);

/** Who patches, and when. */
export interface Patching {
  by: string;
  /** RFC 3339 */
  now: string;
}

/** What a node was given, after a patch (RFC 7396); `says`: what it says itself. */
export function patched(before: Given, patch: NodePatch, says: Said, patching: Patching): Given {
  const name = patch.name === undefined ? before.name : patch.name;
  const labels = patchedLabels(before.labels, patch.labels);
  const words = { name, labels };
  return {
    ...words,
    cordoned: cordonAfter(before.cordoned, patch.cordoned, patching),
    said: hasWords(words) ? says : null,
  };
}

function patchedLabels(before: Given["labels"], patch: NodePatch["labels"]): Given["labels"] {
  if (patch === undefined) return before;
  const labels = Object.entries({ ...(patch === null ? {} : before), ...patch });
  const left = labels.filter((one): one is [string, string] => one[1] !== null);
  return left.length === 0 ? null : Object.fromEntries(left);
}

/** What was so already stays as it was said first. */
export function cordonAfter(before: Cordon | null, patch: CordonPatch, { by, now }: Patching): Cordon | null {
  if (patch === undefined) return before;
  if (patch === null) return null;
  const comment = patch === true ? undefined : patch.comment;
  if (before && (comment === undefined || comment === before.comment)) return before;
  return { at: before?.at ?? now, by, comment: comment ?? null };
}

type Shown = Said & { cordoned: Cordon | null };

/** What of a node is shown otherwise than before. */
export function whatBecame(before: Shown, after: Shown): Omit<GivenChange, "by"> {
  const of = (labels: Said["labels"], name: string) => (Object.hasOwn(labels, name) ? (labels[name] ?? null) : null);
  const names = new Set([...Object.keys(before.labels), ...Object.keys(after.labels)]);
  const labels = [...names]
    .map((name) => [name, { from: of(before.labels, name), to: of(after.labels, name) }] as const)
    .filter(([, { from, to }]) => from !== to);
  const sameCordon = JSON.stringify(before.cordoned) === JSON.stringify(after.cordoned);
  return {
    ...(before.name === after.name ? {} : { name: { from: before.name, to: after.name } }),
    ...(labels.length === 0 ? {} : { labels: Object.fromEntries(labels) }),
    ...(sameCordon ? {} : { cordoned: { from: before.cordoned, to: after.cordoned } }),
  };
}
