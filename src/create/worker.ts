import { type Config, ConfigError } from "../config.ts";
import { withoutSecrets } from "../config-values.ts";
import { problemResponse, SinewError } from "../contract/problem.ts";
import { API_VERSION, VERSION_HEADER } from "../contract/version.ts";
import type { Tier } from "../tiers/tier.ts";
import { realWorld, type World } from "../world.ts";
import { passes } from "./access.ts";
import { quietLog } from "./mount.ts";
import { callerOf, environmentOf, workerConfig } from "./worker-environment.ts";

/**
 * A tier that starts itself at its first request: runtimes that own the listener forbid work before one. Requests that
 * come meanwhile share that start. What keeps it from starting is a 503 that says so, and the next request tries again.
 */
export function createWorker(world: World = realWorld(quietLog)): {
  fetch(request: Request, second?: unknown): Promise<Response>;
} {
  let started: Promise<Tier> | null = null;
  return {
    async fetch(request, second) {
      started ??= startTier(second, world);
      const mine = started;
      let tier: Tier;
      try {
        tier = await mine;
      } catch (error) {
        if (started === mine) started = null;
        return unavailable(error, world);
      }
      return tier.fetch(request, callerOf(request, second));
    },
  };
}

async function startTier(second: unknown, world: World): Promise<Tier> {
  const config = await workerConfig(environmentOf(second));
  for (const warning of config.warnings) world.log("warn", warning);
  const undo: (() => Promise<void>)[] = [];
  try {
    const tier = await assemble(config, world, undo);
    undo.push(() => tier.stop());
    await tier.start();
    if (config.auth === "open") {
      world.log("warn", `auth open: whoever reaches this runtime's listener may use this ${config.role}`);
    }
    return tier;
  } catch (error) {
    for (const step of undo.reverse()) await step().catch(() => {}); // the first error is the one to report
    const message = error instanceof Error ? error.message : String(error);
    throw new Error(withoutSecrets(message, config.db), { cause: error });
  }
}

/** `undo` takes what has to be closed when the start fails later on. */
async function assemble(config: Config, world: World, undo: (() => Promise<void>)[]): Promise<Tier> {
  const { endpoint, lease: leaseSeconds, dial } = config;
  const operator =
    config.state === "" ? null : await (await import("../cli/credentials/secrets.ts")).operatorToken(config.state);
  const auth = { mode: config.auth, operatorToken: operator };
  const pass = operator === null ? {} : { pass: passes(operator, world) };
  const common = { auth, world, leaseSeconds, dial, endpoint: endpoint ?? undefined, ...pass };
  if (config.role === "conductor") {
    const [{ createConductor }, { openDatabase }] = await Promise.all([
      import("./conductor.ts"),
      import("../db/database.ts"),
    ]);
    const db = await openDatabase(config.db);
    undo.push(() => db.close());
    return createConductor({ ...common, db });
  }
  if (config.state === "") {
    // workerConfig() lets only an agent without built-in drivers, and with an id, be without a state directory.
    const { createAgent } = await import("./agent.ts");
    const node = { id: config.nodeId ?? "", name: config.node ?? "worker" };
    const { conductor, remoteSetup } = config;
    return createAgent({ ...common, node, remoteSetup, conductor: conductor ?? undefined });
  }
  // A process with files of its own: as the command line does it.
  const [{ assembleRole }, { enterState }, { nodeId }, { hostName }] = await Promise.all([
    import("../cli/start/roles.ts"),
    import("../cli/host/state.ts"),
    import("../cli/host/node-id.ts"),
    import("../cli/host/facts.ts"),
  ]);
  const lock = await enterState(config);
  undo.push(async () => lock.release());
  const here = "http://localhost";
  const node = { id: await nodeId(config, world.log), name: config.node ?? hostName() };
  const sysfs = "sysfs" in config.source ? config.source.sysfs : "";
  const settled = {
    node,
    sysfs,
    recorded: "snapshot" in config.source,
    pciIds: null,
    endpoint: endpoint ?? here,
    url: here,
    joined: null,
    rules: [],
    caHash: null,
    certificateName: null,
  };
  return assembleRole({ ...config, ...settled, auth: { ...auth, operatorToken: operator ?? "" } }, world);
}

function unavailable(error: unknown, { log }: World): Response {
  const detail = error instanceof Error ? error.message : String(error);
  log("error", "this worker could not start", { error: detail });
  const problem = new SinewError("unavailable", `not started: ${detail.replaceAll("\n", "; ")}`, {
    retryAfter: 5,
    ...(error instanceof ConfigError ? { errors: error.problems.map(asIssue) } : {}),
  });
  return problemResponse(problem, { [VERSION_HEADER]: API_VERSION });
}

/** `SINEW_DB: expected ...` by the variable's name. */
function asIssue(problem: string): { pointer: string; detail: string } {
  const colon = problem.indexOf(": ");
  return { pointer: problem.slice(0, Math.max(0, colon)), detail: problem.slice(colon + 2) };
}
