/** A trouble that exists, as the alarm about it is named. */
export interface Trouble {
  kind: string;
  node: string | null;
  source?: string | null;
  uuid?: string | null;
}

const nameOf = ({ kind, node, source, uuid }: Trouble) => [kind, node ?? "-", source ?? "-", uuid ?? "-"].join(" ");

/** After quiet: the alarms that fire are the troubles that there are, each once. */
export function judgeAlarms(troubles: readonly Trouble[], firing: readonly Trouble[]): string[] {
  const there = new Set(troubles.map(nameOf));
  const told = firing.map(nameOf);
  const found = [...there].filter((name) => !told.includes(name)).map((name) => `no alarm fires for ${name}`);
  for (const name of new Set(told)) {
    if (!there.has(name)) found.push(`an alarm fires for ${name}, and there is no such trouble`);
    if (told.filter((one) => one === name).length > 1) found.push(`two alarms fire for ${name}`);
  }
  return found.map((what) => `after quiet: ${what}`);
}
