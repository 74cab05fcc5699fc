import type { Command } from "commander";
import { type Endpoint, formatEndpoint, parseEndpoint } from "../client/endpoint.ts";
import { isHere } from "../config-values.ts";
import { ALL, type TierName } from "../conform/check.ts";
import type { Reach } from "../conform/client.ts";
import { conform, type Verdict } from "../conform/run.ts";
import { Exit, reasonOf } from "./exit.ts";
import { withoutProxies } from "./host/proxy.ts";
import { wayTo } from "./operator/way.ts";
import { print } from "./output.ts";
import { json as asJson } from "./show/json.ts";
import { printable } from "./text.ts";

export const examples = `
What it does to the system: it starts discoveries, and at an agent or a conductor it registers two peers of its own, one
named conform-..., one known by its address as the seed has it. At the end their devices are taken back and both have
said LEAVING; what remains is what a system keeps of peers that left. Nothing else is changed.

An implementation that knows the seed only (no Sinew-Api-Version in its answers) is held to the seed's calls; what Sinew
adds is then told as "not offered".

Examples:
  sinew conform http://127.0.0.1:1337 --tier agent
  sinew conform http://127.0.0.1:1336/drivers/gpu --tier driver --json | jq '.checks[] | select(.result == "wrong")'
  sinew conform http://10.0.0.7:1337 --tier agent --peer 10.0.0.9     another machine, that reaches this one there

Exit status: 0 nothing is wrong, 1 something is or it cannot be reached, 2 bad usage.`;

interface Flags {
  tier: string;
  peer: string;
  json?: true;
  token?: string;
  state?: string;
}

export function define(command: Command): void {
  command
    .argument("<URL>", "http(s)://HOST[:PORT][/PATH] or unix:/PATH")
    .requiredOption("--tier <TIER>", "what it is to be: driver, agent or conductor")
    .option("--peer <ADDRESS>", "this machine's address as the system sees it, for the peers it is to ask", "127.0.0.1")
    .option(
      "--token <FILE>",
      "a file with a token for it (default, on this host: operator.token in the state directory)",
    )
    .option("--state <DIR>", "the state directory, as for `sinew start`")
    .option("--json", "one JSON document, and nothing else on stdout")
    .action((url: string) => check(url, command.opts<Flags>()));
}

async function check(url: string, { tier, peer, json, ...where }: Flags): Promise<void> {
  const wanted = ALL.find((one) => one === tier);
  if (!wanted) throw new Exit(2, `--tier: expected driver, agent or conductor, found ${JSON.stringify(tier)}`);
  const endpoint = readUrl(url);
  withoutProxies(process.env, (_level, message) => process.stderr.write(`sinew: ${message}\n`));
  // Interrupted or not, the peers that it registered say LEAVING.
  const stopping = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, () => stopping.abort());
  const checks = await conform({
    signal: stopping.signal,
    endpoint,
    reach: await reachOf(url, endpoint, where),
    tier: wanted,
    host: peer,
    each: json ? undefined : (verdict) => print(line(verdict)),
  });
  const count = (result: Verdict["result"]) => checks.filter((verdict) => verdict.result === result).length;
  const summary = {
    ok: count("ok"),
    wrong: count("wrong"),
    not_offered: count("not offered"),
    unchecked: count("unchecked"),
  };
  await print(json ? `${asJson({ url: formatEndpoint(endpoint), tier, summary, checks }, 2)}\n` : sum(wanted, summary));
  process.exit(summary.wrong > 0 || stopping.signal.aborted ? 1 : 0);
}

/** An implementation that wants no token is shown none: the operator's goes no further than this host. */
async function reachOf(url: string, endpoint: Endpoint, where: { token?: string; state?: string }): Promise<Reach> {
  const here = isHere(formatEndpoint(endpoint));
  const { fetch, token, hasToken } = await wayTo({ url, ...where });
  return where.token !== undefined || (here && hasToken)
    ? { fetch, authorize: async () => `Bearer ${await token()}` }
    : { fetch };
}

function readUrl(url: string): Endpoint {
  try {
    return parseEndpoint(url);
  } catch (error) {
    throw new Exit(2, reasonOf(error));
  }
}

const sum = (
  tier: TierName,
  { ok, wrong, not_offered, unchecked }: Record<"ok" | "wrong" | "not_offered" | "unchecked", number>,
) => `\nChecked as ${tier}: ${ok} right, ${wrong} wrong, ${not_offered} not offered, ${unchecked} unchecked\n`;

const PAD = " ".repeat(13);

/** One verdict: a line when all is well, with the reason below when not. */
function line({ name, part, result, expected, found, reason }: Verdict): string {
  const lines = [`${result.padEnd(13)}${name}${part === "seed" ? " (seed)" : ""}`];
  if (result === "wrong") lines.push(`${PAD}expected ${expected}`, `${PAD}found    ${found}`);
  if (reason !== undefined) lines.push(`${PAD}${reason}`);
  return `${lines.map(printable).join("\n")}\n`;
}
