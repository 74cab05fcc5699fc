import type { Command } from "commander";
import type { NodeKey } from "../auth/node-key.ts";
import { type Config, ConfigError, parseConfig, type TlsConfig } from "../config.ts";
import { withoutSecrets } from "../config-values.ts";
import { type Handler, listen } from "../serve.ts";
import { SETTINGS } from "../settings.ts";
import type { Rule } from "../setup/desired/rule.ts";
import type { Tier } from "../tiers/tier.ts";
import { realWorld, type World } from "../world.ts";
import { nodeKey, operatorToken } from "./credentials/secrets.ts";
import { codeOf, Exit, reasonOf } from "./exit.ts";
import { hostFacts, hostKinds, hostName } from "./host/facts.ts";
import { inState, nodeId } from "./host/node-id.ts";
import { openOrigin } from "./host/origin.ts";
import { withoutProxies } from "./host/proxy.ts";
import { enterState } from "./host/state.ts";
import { writeError } from "./host/stderr.ts";
import { stopOnSignal } from "./host/stop.ts";
import { createLog } from "./log.ts";
import { removeAddress, writeAddress } from "./operator/address.ts";
import { print } from "./output.ts";
import type { RoleConfig } from "./start/roles.ts";
import { whileStarting } from "./start/starting.ts";

export const examples = `
Examples:
  sinew start                                          everything on this machine, http://127.0.0.1:1336
  sinew start --role conductor --listen 0.0.0.0:1336 --endpoint https://conductor.example:1336
  sinew start --role agent --join TOKEN                what "sinew token create" prints there
  sinew start --role driver --driver gpu --agent http://127.0.0.1:1337 --listen unix:/run/sinew/gpu.sock
  sinew start --snapshot host.json --listen 127.0.0.1:0 --state /tmp/replay

Each option is also a variable: SINEW_LISTEN, SINEW_NODE_ID...; an option wins. --state is SINEW_STATE_DIR.`;

export function define(command: Command): void {
  for (const { flag, value, help } of SETTINGS) {
    const shown = value === null ? `--${flag}` : `--${flag} <${value}>`;
    if (isList(value)) command.option(shown, help, (more: string, before?: string) => listed(before, more));
    else command.option(shown, help);
  }
  // commander's own words repeat what it did not expect, and that may be a join token without its flag.
  command.allowExcessArguments().action(async () => {
    const { length } = command.args;
    if (length > 0)
      throw new Exit(2, `start takes options only, found ${length} argument${length === 1 ? "" : "s"} beside them`);
    const given = command.opts<Record<string, string | true | undefined>>();
    // commander names --node-id nodeId; everything here says node-id.
    const flags = Object.fromEntries(
      command.options.map((option) => {
        const value = given[option.attributeName()];
        return [option.long?.slice(2) ?? "", value === true ? "true" : value];
      }),
    );
    await start(readConfig(flags));
  });
}

/**
 * Starts when `argv` is nothing but options with a value each, else gives false and leaves help and errors to commander:
 * as a service this runs for months, and would carry that library all the time.
 */
export async function directly(argv: readonly string[]): Promise<boolean> {
  const flags: Record<string, string> = {};
  for (let i = 0; i < argv.length; i += 1) {
    const name = argv[i]?.startsWith("--") ? argv[i]?.slice(2) : undefined;
    const setting = SETTINGS.find(({ flag }) => flag === name);
    if (!setting || name === undefined) return false;
    if (setting.value !== null) i += 1;
    const value = setting.value === null ? "true" : argv[i];
    if (value === undefined || value.startsWith("-")) return false;
    flags[name] = isList(setting.value) ? listed(flags[name], value) : value;
  }
  await start(readConfig(flags));
  return true;
}

/** Given again, an option that takes a list takes more of it. */
const isList = (value: string | null) => value?.endsWith(",...") ?? false;
const listed = (before: string | undefined, more: string) => (before === undefined ? more : `${before},${more}`);

function readConfig(flags: Record<string, string | undefined>): Config {
  try {
    return parseConfig({ flags, env: process.env, host: hostFacts(), kinds: hostKinds() });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new Exit(2, `cannot start, nothing was done:\n  ${error.problems.join("\n  ")}`);
  }
}

async function start(config: Config): Promise<void> {
  // Packages are loaded after the first answer; whether there are any shows before anything is made.
  import.meta.resolve("zod");
  const secretly = (text: string) => withoutSecrets(text, config.db);
  const log = createLog({
    format: config.logFormat,
    write: (line) => writeError(secretly(line)),
    now: () => new Date(),
  });
  const stopping = stopOnSignal(log);
  for (const warning of config.warnings) log("warn", warning);
  withoutProxies(process.env, log);

  const rules = await desiredOf(config);
  const lock = await enterState(config);
  const origin = config.role === "conductor" ? null : await openOrigin(config.source);
  const node = {
    // A recorded host keeps its own identity, and the one of this host is neither used nor made. What is given is kept.
    id: (config.nodeId === null ? origin?.node?.id : null) ?? (await nodeId(config, log)),
    name: config.node ?? origin?.node?.name ?? hostName(),
  };

  const operator = await operatorToken(config.state);
  const key = await nodeKey(config.state);
  const world = realWorld(log);
  const tls = config.tls && (await tlsOf(config, config.tls, node, world));

  // The address is known before the tier is: with port 0 the tier announces what the listener got.
  let tier: Tier | null = null;
  const starting = whileStarting(config, node.name);
  const answer: Handler = (request, env) => tier?.fetch(request, env) ?? starting(request);
  const listener = await listen(config.listen, answer, { tls: tls?.tls ?? null }).catch((error) => {
    throw new Exit(1, `cannot listen on ${written(config.listen)}: ${reasonOf(error)}`);
  });
  tls?.onRenew(listener);
  stopping.add(async () => tier?.release?.());
  stopping.add(() => listener.stop({ graceMs: 3000 }));
  stopping.add(async () => tier?.stop());
  stopping.add(async () => {
    tls?.close();
    await removeAddress(config);
    await origin?.close();
    lock.release();
  });

  try {
    const { assembleRole } = await import("./start/roles.ts");
    const joined = config.role === "agent" ? await joinedTo(config, { ...node, key }, world) : null;
    const settled: RoleConfig = {
      ...config,
      node,
      auth: { mode: config.auth, operatorToken: operator, insecure: config.exposed },
      url: listener.url,
      joined,
      caHash: tls?.caHash ?? null,
      certificateName: config.tls && !config.tls.files ? node.id : null,
      sysfs: origin?.sysfs ?? "/sys",
      recorded: "snapshot" in config.source,
      pciIds: origin?.pciIds ?? null,
      rules,
      endpoint: config.endpoint ?? listener.endpoint,
    };
    const assembled = await assembleRole(settled, world);
    tier = assembled;
    await assembled.start();
    if (stopping.begun) return;
    await inState(config.state, () => writeAddress(config, listener.url, tls?.ca ?? null));
    const { introduction } = await import("./start/welcome.ts");
    await print(await introduction({ config, tier: assembled, url: listener.url, caHash: settled.caHash }));
    await print(`sinew ${config.role} ready on ${listener.url}\n`);
  } catch (error) {
    if (stopping.begun) return; // what was cut short by a signal is no failure
    await origin?.close();
    if (error instanceof Exit) throw error;
    // Of a package that is missing main.ts says what to do.
    if (codeOf(error) === "ERR_MODULE_NOT_FOUND") throw error;
    throw new Exit(1, secretly(`cannot start ${config.role}: ${reasonOf(error)}`));
  }
}

/** What is wanted of devices, by the file of `--config`. */
async function desiredOf({ desired }: Config): Promise<Rule[]> {
  if (desired === null) return [];
  const { DesiredError, readDesired } = await import("../setup/desired/file.ts");
  return readDesired(desired).catch((error) => {
    if (!(error instanceof DesiredError)) throw error;
    throw new Exit(2, `cannot start, nothing was done:\n  ${error.problems.join("\n  ")}`);
  });
}

async function joinedTo(config: Config, node: { id: string; name: string; key: NodeKey }, world: World) {
  const { joinedConductor } = await import("./start/join.ts");
  const client = config.client && (await (await import("./tls/files.ts")).readPair(config.client));
  const conductor = await joinedConductor(config, { ...node, client }, world);
  if (!conductor) return null;
  // Told otherwise by its operator, it goes there.
  return config.conductor === null ? { conductor, key: node.key, client } : null;
}

/** The certificate to listen with, in whose names is what people and agents call this host. */
async function tlsOf(config: Config, { files, clientCa }: TlsConfig, node: { id: string }, world: World) {
  const { openTls } = await import("./tls/tls.ts");
  const announced = config.endpoint && URL.canParse(config.endpoint) ? [new URL(config.endpoint).hostname] : [];
  const hosts = [hostName(), ...("host" in config.listen ? [config.listen.host] : []), ...announced];
  return openTls({ state: config.state, names: { node: node.id, hosts }, files, clientCa, world });
}

const written = (at: Config["listen"]) => ("unix" in at ? `unix:${at.unix}` : `${at.host}:${at.port}`);
