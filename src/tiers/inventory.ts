import type { Condition } from "../contract/condition.ts";
import type { Hardware, HardwareList, Source } from "../contract/hardware.ts";
import { SinewError } from "../contract/problem.ts";
import { generationOf } from "./generation.ts";

interface Shown {
  hardware: Hardware[];
  sources: Source[];
  /** Of the node itself; none where nothing is said of it. */
  conditions?: Condition[];
}

/** What a driver or an agent serves at `GET /hardware`: replaced as a whole, its text made once per generation. */
export interface Inventory {
  readonly generation: string;
  readonly hardware: readonly Hardware[];
  readonly sources: readonly Source[];
  /** Resolves with whether the generation changed. Calls are carried out one after the other. */
  replace(next: Shown): Promise<boolean>;
  /** The JSON text of the whole list. */
  text(): string;
  /** One page; throws SinewError too_old when the list changed since the token was given. */
  page(limit: number, token: string | undefined): HardwareList;
}

export async function createInventory(initial: Shown): Promise<Inventory> {
  let current: Shown & { generation: string } = { ...initial, generation: await generationOf(initial) };
  let text: string | null = null;
  let queue: Promise<unknown> = Promise.resolve();
  const ofNode = () => (current.conditions?.length ? { conditions: current.conditions } : {});

  return {
    get generation() {
      return current.generation;
    },
    get hardware() {
      return current.hardware;
    },
    get sources() {
      return current.sources;
    },
    replace(next) {
      const done = queue.then(async () => {
        const generation = await generationOf(next);
        const changed = generation !== current.generation;
        current = { ...next, generation };
        text = null;
        return changed;
      });
      queue = done;
      return done;
    },
    text() {
      text ??= JSON.stringify({
        hardware: current.hardware,
        sources: current.sources,
        ...ofNode(),
        generation: current.generation,
      } satisfies HardwareList);
      return text;
    },
    page(limit, token) {
      const [generation, start] = token === undefined ? [current.generation, 0] : readToken(token);
      if (generation !== current.generation) {
        throw new SinewError("too_old", "the hardware changed since this page_token was given: list again without it");
      }
      const end = start + limit;
      return {
        hardware: current.hardware.slice(start, end),
        sources: current.sources,
        ...ofNode(),
        generation,
        ...(end < current.hardware.length ? { next_page_token: btoa(`${generation} ${end}`) } : {}),
      };
    },
  };
}

function readToken(token: string): [generation: string, start: number] {
  let plain = "";
  try {
    plain = atob(token);
  } catch {
    // falls through to the one error below
  }
  const match = /^(\S+) (\d{1,9})$/.exec(plain);
  if (!match?.[1]) {
    throw new SinewError("invalid", "page_token: expected a next_page_token that this tier gave", {
      errors: [{ pointer: "page_token", detail: "not a token of this list" }],
    });
  }
  return [match[1], Number(match[2])];
}
