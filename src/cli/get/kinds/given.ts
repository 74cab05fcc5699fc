import type { Cordon, GivenChange } from "../../../contract/fleet/given.ts";
import { cordonWhy } from "./cordon.ts";

const said = (value: string | null): string => (value === null ? "none" : value || '""');

/** What an operator did about a node or a device, and who: `label rack r7 -> r8, by ada`. */
export function givenText({ by, name, labels = {}, cordoned }: GivenChange): string {
  const words = [
    ...(name ? [`name ${name.from} -> ${name.to}`] : []),
    ...Object.entries(labels).map(([label, { from, to }]) => `label ${label} ${said(from)} -> ${said(to)}`),
  ].join("; ");
  const cordon = cordoned ? cordonText(cordoned, by) : "";
  // What was given and is what the node says itself shows nothing.
  const whole = words || (cordon ? "" : "named or labelled as it says itself");
  return [...(whole ? [`${whole}, by ${by}`] : []), ...(cordon ? [cordon] : [])].join("; ");
}

function cordonText({ from, to }: NonNullable<GivenChange["cordoned"]>, by: string): string {
  const was = from === null ? "" : ` (was ${cordonedBy(from)})`;
  return to === null ? `in service again, by ${by}${was}` : `${cordonedBy(to)}${was}`;
}

const cordonedBy = (cordon: Cordon): string => cordonWhy(cordon).map(({ text }) => text)[0] ?? "";
