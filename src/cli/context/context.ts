import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { Command } from "commander";
import { formatEndpoint, parseEndpoint } from "../../client/endpoint.ts";
import { Exit, reasonOf } from "../exit.ts";
import { type Context, checkedName, contextNamed, readContexts, writeContexts } from "../operator/contexts.ts";
import { print } from "../output.ts";
import { json as asJson } from "../show/json.ts";
import { columns } from "../table.ts";
import { printable } from "../text.ts";

export const examples = `
A context is a conductor that is kept by a name, with what it is shown: commands that ask the fleet ask the current one.

Examples:
  sinew context set prod --conductor https://fleet.example:1336 --token ~/prod.token --ca ~/prod-ca.crt
  sinew context list                 the current one has a *
  sinew context use prod             from now on
  sinew get nodes --context staging  this once

They are in $XDG_CONFIG_HOME/sinew/contexts.json (~/.config), which has the paths of tokens and no token.
Exit status: 0 done, 1 it could not be, 2 bad usage.`;

interface SetFlags {
  conductor?: string;
  token?: string;
  ca?: string;
  clientCert?: string;
  clientKey?: string;
}

export function define(command: Command): void {
  command
    .command("set")
    .description("save a conductor by a name, or change what is said; the first one is the current one")
    .argument("<NAME>")
    .option("--conductor <URL>", "where it is; needed once")
    .option("--token <FILE>", "a file with a token for it")
    .option("--ca <FILE>", "the CA, PEM, that signed its certificate")
    .option("--client-cert <FILE>", "a certificate, PEM, for a conductor that asks its callers for one")
    .option("--client-key <FILE>", "its private key, PEM")
    .action(set);
  command
    .command("use")
    .description("make a saved one the current one")
    .argument("<NAME>")
    .action(async (name: string) => {
      const saved = await readContexts();
      contextNamed(saved, name);
      await writeContexts({ ...saved, current: name });
      await print(`${name} is the current context\n`);
    });
  command.command("list").description("show those that are saved").option("--json", "one JSON document").action(list);
  command
    .command("show")
    .description("show one of them as JSON")
    .argument("[NAME]", "the current one without it")
    .action(async (asked: string | undefined) => {
      const saved = await readContexts();
      const name = asked ?? saved.current;
      if (name === null) throw new Exit(1, "no context is the current one: `sinew context use NAME`");
      await print(`${asJson({ name, ...contextNamed(saved, name) }, 2)}\n`);
    });
  command
    .command("remove")
    .description("save it no longer; its token stays as it is")
    .argument("<NAME>")
    .action(async (name: string) => {
      const saved = await readContexts();
      contextNamed(saved, name);
      const { [name]: _, ...contexts } = saved.contexts;
      await writeContexts({ current: saved.current === name ? null : saved.current, contexts });
      await print(`removed ${name}\n`);
    });
}

async function set(name: string, { conductor, token, ca, clientCert, clientKey }: SetFlags): Promise<void> {
  checkedName(name);
  const saved = await readContexts();
  const known = Object.hasOwn(saved.contexts, name) ? saved.contexts[name] : undefined;
  const url = conductor === undefined ? known?.url : address(conductor);
  if (url === undefined) throw new Exit(2, `--conductor URL: expected where ${name} is, found nothing`);
  const moved = known !== undefined && known.url !== url;
  const context: Context = {
    // What the one was shown is not for another.
    ...(moved ? {} : known),
    url,
    ...(token === undefined ? {} : { token: resolve(token) }),
    ...(ca === undefined ? {} : { ca: resolve(ca) }),
    ...(clientCert === undefined ? {} : { client_cert: resolve(clientCert) }),
    ...(clientKey === undefined ? {} : { client_key: resolve(clientKey) }),
  };
  await writeContexts({ current: saved.current ?? name, contexts: { ...saved.contexts, [name]: context } });
  const now = saved.current === null || saved.current === name ? "the current context" : "saved";
  // What was left out of it, such as the scheme, is so seen.
  await print(`${name} is ${now}: ${url}\n`);
  const { token: tokenFile, ca: caFile, client_cert, client_key } = context;
  const missing = [tokenFile, caFile, client_cert, client_key].filter((path) => path && !existsSync(path));
  // It may be made later; a name that was mistyped never will be.
  if (missing.length > 0)
    console.error(`sinew: not there yet: ${missing.map((path) => printable(path ?? "")).join(", ")}`);
}

function address(text: string): string {
  try {
    return formatEndpoint(parseEndpoint(text));
  } catch (error) {
    throw new Exit(2, `--conductor: ${reasonOf(error)}`);
  }
}

async function list({ json }: { json?: true }): Promise<void> {
  const { current, contexts } = await readContexts();
  const named = Object.entries(contexts).map(([name, context]) => ({ name, current: name === current, ...context }));
  if (json) return print(`${asJson({ contexts: named }, 2)}\n`);
  if (named.length === 0) return print("None is saved: `sinew context set NAME --conductor URL --token FILE`\n");
  const rows = named.map(({ name, url, token, current }) => [current ? "*" : "-", name, url, token ?? "-"]);
  await print(columns([["CURRENT", "NAME", "CONDUCTOR", "TOKEN FILE"], ...rows.map((row) => row.map(printable))]));
}
