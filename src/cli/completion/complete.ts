import { Command, type Option } from "commander";
import { COMMANDS } from "../../commands.ts";
import { print } from "../output.ts";
import { printable } from "../text.ts";
import { type Candidate, candidatesFor, FILES } from "./candidates.ts";

export const examples = "";

/** Who waits for a name does not want to wait for long. */
const DEADLINE_MS = 1_000;

/** What `sinew completion` makes the shell call. Nothing is said of a failure: whoever types would see it in the line. */
export function define(command: Command): void {
  command
    .argument("[WORDS...]", "those after `sinew`, up to the cursor")
    .option("--deadline <MS>", "for tests", String(DEADLINE_MS))
    .action(async (words: string[], { deadline }: { deadline: string }) => {
      const late = setTimeout(() => process.exit(0), Number(deadline));
      const found = await completions(words).catch(() => []);
      clearTimeout(late);
      const current = words.at(-1) ?? "";
      const lines = found
        .filter(({ word }) => word === FILES || word.startsWith(current))
        // Names come from machines: none is more than a word of the line, or does anything in a shell.
        .filter(({ word }) => /^[\w.:@/=+,%-]+$/.test(word) && (current.startsWith("-") || !word.startsWith("-")))
        .map(({ word, about }) => (about ? `${word}\t${printable(about)}` : word));
      await print(lines.map((line) => `${line}\n`).join(""));
      // A connection that is still open keeps nobody waiting.
      process.exit(0);
    });
}

/** What may stand in the place of the last of the words. */
export async function completions(words: readonly string[]): Promise<Candidate[]> {
  const [name = "", ...rest] = words;
  if (words.length <= 1) {
    const shown = Object.entries(COMMANDS).filter(([, { hidden }]) => !hidden);
    return [...shown.map(([word, { summary }]) => ({ word, about: summary })), { word: "help", about: "of a command" }];
  }
  if (name === "help")
    return Object.entries(COMMANDS).flatMap(([word, { summary, hidden }]) => (hidden ? [] : { word, about: summary }));
  const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!entry) return [];
  const top = new Command(name);
  (await entry.load()).define(top);
  return within(top, rest, [name]);
}

/** `words`: what comes after the command; `path`: how it is called. */
async function within(top: Command, words: readonly string[], called: string[]): Promise<Candidate[]> {
  let command = top;
  const path = [...called];
  const values: Record<string, string> = {};
  const operands: string[] = [];
  const current = words.at(-1) ?? "";
  const optionOf = (word: string): Option | undefined =>
    command.options.find(({ long, short }) => word === long || word === short);
  let onlyOperands = false;
  for (let at = 0; at < words.length - 1; at += 1) {
    const word = words[at] ?? "";
    if (word === "--") onlyOperands = true;
    else if (word.startsWith("-") && !onlyOperands) {
      const [flag = "", inline] = word.split("=", 2);
      const option = optionOf(flag);
      if (!option?.required) continue;
      if (inline !== undefined) values[option.attributeName()] = inline;
      else if (at + 1 === words.length - 1)
        return candidatesFor({ path, option: option.long ?? "", place: placeOf(option), current, values });
      else values[option.attributeName()] = words[++at] ?? "";
    } else {
      const sub = command.commands.find((one) => one.name() === word || one.aliases().includes(word));
      if (sub && operands.length === 0) {
        command = sub;
        path.push(sub.name());
      } else operands.push(word);
    }
  }
  if (current.startsWith("-") && !onlyOperands) {
    const [flag = "", inline] = current.split("=", 2);
    const option = optionOf(flag);
    if (inline !== undefined && option?.required) {
      const found = await candidatesFor({
        path,
        option: option.long ?? "",
        place: placeOf(option),
        current: inline,
        values,
      });
      return found.map((one) => (one.word === FILES ? one : { ...one, word: `${flag}=${one.word}` }));
    }
    const shown = command.options.filter(({ hidden }) => !hidden);
    return [
      ...shown.map(({ long, description }) => ({ word: long ?? "", about: description })),
      { word: "--help", about: "what there is" },
    ];
  }
  if (command.commands.length > 0 && operands.length === 0)
    return command.commands.map((one) => ({ word: one.name(), about: one.description() }));
  const places = command.registeredArguments;
  const place = places[operands.length] ?? (places.at(-1)?.variadic ? places.at(-1) : undefined);
  if (!place) return [];
  return candidatesFor({ path, option: null, place: place.name(), current, values });
}

/** `FILE` of `--token <FILE>`. */
const placeOf = ({ flags }: Option): string => /<([^>]+)>/.exec(flags)?.[1] ?? "";
