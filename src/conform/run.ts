import { type Endpoint, formatEndpoint } from "../client/endpoint.ts";
import { VERSION_HEADER } from "../contract/version.ts";
import { careChecks } from "./care.ts";
import { type Check, type Context, type TierName, Unchecked, Wrong } from "./check.ts";
import { createAsk, type Reach } from "./client.ts";
import { discoveryChecks } from "./discovery.ts";
import { fleetChecks, leavingChecks } from "./fleet.ts";
import { createGuests } from "./guests.ts";
import { hardwareChecks } from "./hardware.ts";
import { helloChecks, isGone } from "./hello.ts";
import { httpChecks } from "./http.ts";

/** In the order they run. */
export const CHECKS: readonly Check[] = [
  ...hardwareChecks,
  ...careChecks,
  ...discoveryChecks,
  ...httpChecks,
  ...helloChecks,
  ...fleetChecks,
  ...leavingChecks,
];

export interface Verdict {
  name: string;
  /** Part of the seed's API, or of what Sinew adds to it. */
  part: "seed" | "sinew";
  /** `not offered`: the seed is silent here, and so is this implementation. `unchecked`: nothing is known; see `reason`. */
  result: "ok" | "wrong" | "not offered" | "unchecked";
  expected?: string;
  found?: string;
  reason?: string;
}

const CHECK_SECONDS = 90;
const ALL_SECONDS = 300;

/** Checks an implementation. `each` hears of every verdict as it falls. `host`: where conform's own peers listen. */
export async function conform(options: {
  endpoint: Endpoint;
  reach?: Reach;
  tier: TierName;
  host: string;
  /** Seconds that what has to happen by itself may take; 15. */
  patience?: number;
  each?: (verdict: Verdict) => Promise<void>;
  /** Ends it early: what is left is not checked, conform's own peers still leave. */
  signal?: AbortSignal;
}): Promise<Verdict[]> {
  const { endpoint, tier, host, patience = 15, each, signal = new AbortController().signal } = options;
  const ask = createAsk(endpoint, options.reach);
  const guests = createGuests({ tier, ask, host });
  const verdicts: Verdict[] = [];
  const add = async (verdict: Verdict) => {
    verdicts.push(verdict);
    await each?.(verdict);
  };
  const end = performance.now() + ALL_SECONDS * 1000;
  const context = { tier, ask, guests, extended: false, patience };
  try {
    const first = await ask("GET", "/hardware");
    const extended = first.headers.has(VERSION_HEADER);
    context.extended = extended;
    for (const check of CHECKS.filter(({ tiers }) => tiers.includes(tier))) {
      if (signal.aborted) break;
      if (performance.now() > end)
        await add(told(check, new Wrong(`all checks within ${ALL_SECONDS} s`, "no time left"), true));
      else await add(told(check, await outcome(check, context, signal), extended));
    }
  } catch (error) {
    const found = error instanceof Wrong ? error.found : String(error);
    await add({
      name: `${formatEndpoint(endpoint)} answers`,
      part: "seed",
      result: "wrong",
      expected: "an answer to GET /hardware",
      found,
    });
  } finally {
    await guests.leave((guest) => isGone(context, guest));
  }
  return verdicts;
}

/** What a check threw, null when it is content. */
async function outcome(check: Check, context: Context, signal: AbortSignal): Promise<unknown> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<Error>((resolve) => {
    signal.addEventListener("abort", () => resolve(new Unchecked("interrupted")), { once: true });
    timer = setTimeout(() => resolve(new Wrong(`an end within ${CHECK_SECONDS} s`, "none")), CHECK_SECONDS * 1000);
  });
  const done = check.run(context).then(
    () => null,
    (error: unknown) => error ?? new Error("nothing"),
  );
  const first = await Promise.race([done, late]);
  clearTimeout(timer);
  return first;
}

function told(check: Check, error: unknown, extended: boolean): Verdict {
  const verdict = { name: check.name, part: check.seed ? ("seed" as const) : ("sinew" as const) };
  if (error === null) return { ...verdict, result: "ok" };
  if (error instanceof Unchecked) return { ...verdict, result: "unchecked", reason: error.message };
  const wrong = error instanceof Wrong ? error : new Wrong("an answer that can be checked", String(error));
  const result = !check.seed && !extended ? "not offered" : "wrong";
  return { ...verdict, result, expected: wrong.expected, found: wrong.found };
}
