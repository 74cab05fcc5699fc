import type { Command } from "commander";
import { TOKEN_ROLES } from "../auth/caller.ts";
import type { MadeToken, TokenInfo } from "../contract/access/token.ts";
import { Exit } from "./exit.ts";
import { call } from "./operator/call.ts";
import { WHERE_OPTIONS, type Where } from "./operator/way.ts";
import { print } from "./output.ts";
import { secondText } from "./show/age.ts";
import { durationMs } from "./show/duration.ts";
import { json as asJson } from "./show/json.ts";
import { columns } from "./table.ts";
import { printable } from "./text.ts";

export const examples = `
A token is shown once, alone on stdout; only its hash is kept.

Examples:
  sinew token create                                       a join token: sinew start --role agent --join TOKEN
  sinew token create --node rack7-gpu3 --ttl 10m           for that node alone, in the next ten minutes
  sinew token create --node 5d1e7c52-3c0b-4b5e-8f6a-2f1d9c7b0a43 --uses any --ttl 365d     for a netbooted one
  sinew token create --role viewer --name grafana          for a service that reads
  sinew token create --role driver --driver mycard --url http://127.0.0.1:1337             at an agent
  sinew token list
  sinew token revoke 3f2a9c0d71be

Exit status: 0 done, 1 it could not be, 2 bad usage.`;

interface CreateFlags extends Where {
  role: string;
  node?: string;
  driver?: string;
  name?: string;
  ttl?: string;
  uses?: string;
}

export function define(command: Command): void {
  const where = (sub: Command) => {
    for (const [flag, help] of WHERE_OPTIONS) sub.option(flag, help);
    return sub;
  };
  where(command.command("create"))
    .description("make a token, by default one that an agent joins with")
    .option("--role <ROLE>", `one of ${TOKEN_ROLES.join(", ")}`, "agent")
    .option("--node <NODE>", "role agent: the one node that may join with it, by name or id")
    .option("--driver <NAME>", "role driver: the one driver that may report with it")
    .option("--name <NAME>", "what it is for, as `sinew token list` and the audit trail show it")
    .option("--ttl <TIME>", "how long it is good, such as 90s, 10m, 1h, 30d (default: 1h for role agent, else no end)")
    .option("--uses <COUNT>", "role agent: how many nodes may join with it, or any (default: 1)")
    .action((flags: CreateFlags) => create(flags));
  where(command.command("list"))
    .description("show the tokens there are, without their secrets")
    .option("--json", "one JSON document")
    .action((flags: Where & { json?: true }) => list(flags));
  where(command.command("revoke"))
    .description("take a token back; nodes that joined with it stay (see `sinew node rekey`)")
    .argument("<ID>", "the part of the token before its dot, as `sinew token list` shows it")
    .action(async (id: string, flags: Where) => {
      // Whoever pastes all of it gives no secret to a path, which trails and logs repeat.
      const [own = id] = id.split(".");
      await call(flags, { method: "DELETE", path: `/tokens/${encodeURIComponent(own)}` });
      await print(`revoked ${printable(own)}\n`);
    });
}

async function create({ role, node, driver, name, ttl, uses, ...where }: CreateFlags): Promise<void> {
  // A token for something else than was meant is worse than none.
  if (driver !== undefined && role !== "driver")
    throw new Exit(2, `--driver: has no use with --role ${role}, only with driver`);
  if (node !== undefined && role !== "agent")
    throw new Exit(2, `--node: has no use with --role ${role}, only with agent`);
  const bound = role === "driver" ? driver : node;
  const body = {
    role,
    ...(name === undefined ? {} : { name }),
    ...(bound === undefined ? {} : { bound_to: bound }),
    ...(ttl === undefined ? {} : { ttl_seconds: durationMs("--ttl", ttl) / 1000 }),
    ...(uses === undefined ? {} : { uses: count(uses) }),
  };
  if (!TOKEN_ROLES.some((one) => one === role)) {
    throw new Exit(2, `--role: expected one of ${TOKEN_ROLES.join(", ")}, found ${JSON.stringify(role)}`);
  }
  // Our own tier's answer, whose schema its tests check; whoever else has its port gives no shell something to run.
  const made = (await call(where, { method: "POST", path: "/tokens", body })).body as MadeToken | null;
  const token = made?.join ?? made?.credential;
  if (typeof token !== "string" || !/^[\w.-]+$/.test(token)) throw new Exit(1, "expected a token, got something else");
  await print(`${token}\n`);
}

async function list({ json, ...where }: Where & { json?: true }): Promise<void> {
  const { tokens } = ((await call(where, { path: "/tokens" })).body ?? {}) as { tokens?: TokenInfo[] };
  if (!Array.isArray(tokens)) throw new Exit(1, "expected a list of tokens, got something else");
  if (json) return print(`${asJson({ tokens }, 2)}\n`);
  if (tokens.length === 0) return print("There are no tokens.\n");
  const rows = tokens.map((token) => [
    token.id,
    token.role,
    token.bound_to ?? "-",
    token.expires_at ? secondText(token.expires_at) : "never",
    token.role === "agent" ? String(token.uses_left ?? "any") : "-",
    token.name ?? "-",
  ]);
  await print(columns([["ID", "ROLE", "FOR", "EXPIRES (UTC)", "USES LEFT", "NAME"], ...rows]));
}

function count(text: string): number | null {
  if (text === "any") return null;
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new Exit(2, `--uses: expected a number from 1 or any, found ${JSON.stringify(text)}`);
}
