import type { Command } from "commander";
import { Exit } from "../exit.ts";
import { didYouMean } from "../show/near.ts";

/** The value of a flag that has to be one of these, in whatever case it was typed. Throws Exit 2 naming the flag. */
export function word<T extends string>(flag: string, found: string | undefined, values: readonly T[]): T | undefined {
  if (found === undefined) return undefined;
  const value = values.find((one) => one.toLowerCase() === found.toLowerCase());
  if (value !== undefined) return value;
  throw new Exit(
    2,
    `${flag}: expected ${values.join(", ")}, found ${JSON.stringify(found)}${didYouMean(found, values)}`,
  );
}

export const truth = (flag: string, found: string | undefined): boolean | undefined => {
  const value = word(flag, found, ["true", "false"]);
  return value === undefined ? undefined : value === "true";
};

export const LABEL_OPTION = [
  "-l, --label <LABELS>",
  "of nodes with these labels: NAME=VALUE or NAME, with commas between",
] as const;

/** `k=v,k2` as the API takes them, one each: `k=v` and `k2`. Throws Exit 2. */
export function labelsOf(found: string | undefined): string[] {
  if (found === undefined) return [];
  const labels = found.split(",");
  const wrong = labels.find((one) => one === "" || one.startsWith("="));
  if (wrong === undefined) return labels;
  throw new Exit(2, `-l: expected NAME=VALUE or NAME, with commas between, found ${JSON.stringify(found)}`);
}

/** Whether labels are all that `labelsOf` said. */
export const hasLabels = (labels: Record<string, string>, wanted: readonly string[]): boolean =>
  wanted.every((one) => {
    const at = one.indexOf("=");
    const name = at < 0 ? one : one.slice(0, at);
    return Object.hasOwn(labels, name) && (at < 0 || labels[name] === one.slice(at + 1));
  });

/** A whole number. Throws Exit 2 naming what it is. */
export function whole(what: string, text: string, least: number): number {
  if (/^\d{1,15}$/.test(text) && Number(text) >= least) return Number(text);
  throw new Exit(2, `${what}: expected a whole number from ${least}, found ${JSON.stringify(text)}`);
}

/** Refuses what a command has by now of options for one value where they are said twice: the last alone would count. */
export function once(command: Command): void {
  for (const option of command.options) {
    if (!option.required || option.parseArg) continue;
    let said = false;
    command.on(`option:${option.name()}`, () => {
      if (said) throw new Exit(2, `${option.long}: expected it once, found it again`);
      said = true;
    });
  }
}
