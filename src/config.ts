import { type Cidr, parseCidrs } from "./client/address.ts";
import { type AlarmsConfig, NOBODY, readAlarms } from "./config/alarms.ts";
import { type KeepConfig, readKeep } from "./config/keep.ts";
import { absolute, createReader, hideUserInfo } from "./config/reader.ts";
import {
  boundSocket,
  databaseUrl,
  isLoopback,
  isUuid,
  joinText,
  type Listen,
  listenAt,
  peerUrl,
  seconds,
} from "./config-values.ts";
import { ROLES, type Role, SETTINGS } from "./settings.ts";

/** Everything `sinew start` is told, parsed once; nothing below reads flags or the environment again. */
export interface Config {
  role: Role;
  listen: Listen;
  /** The tier above an agent, with its mount path; null: none, it stands alone. */
  conductor: string | null;
  /** The tier above a driver; null: none. */
  agent: string | null;
  /** The kind a driver process is of; null for the other roles. */
  driver: string | null;
  /** Names of an agent's built-in drivers. */
  drivers: string[];
  /** `sqlite:/absolute/path` or a postgres URL, which may hold a password: see `withoutSecrets`. */
  db: string;
  /** This node's name; null: the hostname, or the recorded one of a snapshot. */
  node: string | null;
  /** null: as kept in the state directory, or the recorded one of a snapshot. */
  nodeId: string | null;
  state: string;
  source: { sysfs: string } | { snapshot: string };
  /** Seconds between two looks at all devices. */
  healthInterval: number;
  /** Seconds of the leases given out; null: by the number of children. */
  lease: number | null;
  /** What is announced upward instead of the listener. */
  endpoint: string | null;
  auth: "open" | "required";
  /** A join token, or `@` and the path of a file that holds one. */
  join: string | null;
  /** The file with what is wanted of devices; null: nothing is. */
  desired: string | null;
  /** Networks whose addresses may be called. */
  dial: Cidr[];
  /** What the conductor above an agent may do about setup. */
  remoteSetup: "off" | "plan" | "apply";
  tls: TlsConfig | null;
  /** What an agent shows a conductor that asks for a certificate; null: nothing. */
  client: { cert: string; key: string } | null;
  /** Plain HTTP off loopback was allowed, to listen or to join. */
  insecure: boolean;
  /** This listener speaks it. */
  exposed: boolean;
  alarms: AlarmsConfig;
  /** How long a conductor keeps what it forgets one day. */
  keep: KeepConfig;
  logFormat: "text" | "json";
  /** What is odd without being wrong; logged at start. */
  warnings: string[];
}

/** Files by path. Without a certificate of one's own a CA in the state directory signs one. */
export interface TlsConfig {
  files: { cert: string; key: string; ca: string | null } | null;
  clientCa: string | null;
}

/** What of the host a default is made from; the command line reads it, tests make it up. */
export interface HostFacts {
  uid: number;
  home: string;
  cwd: string;
}

const PLAIN = "--insecure: plain HTTP off loopback, where whoever listens in reads every token and becomes any node";
const NO_KINDS = "none, because built-in drivers read PCI through Bun's FFI and this is another runtime";
const PORTS: Record<Role, number> = { all: 1336, conductor: 1336, agent: 1337, driver: 1338 };
const NAME = /^[\w.:@/-]{1,253}$/;

/** Every bad value at once; the command line shows it and exits 2. */
export class ConfigError extends Error {
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.name = "ConfigError";
    this.problems = problems;
  }
}

export interface ConfigInput {
  /** By long flag name without dashes, such as `node-id`. */
  flags: Record<string, string | undefined>;
  env: Record<string, string | undefined>;
  host: HostFacts;
  /** Names of the built-in drivers there are; empty where the runtime cannot read a PCI bus. */
  kinds: readonly string[];
}

/** Where state is kept; for `scan` too, which needs no other setting. */
export function stateDirectory(
  flag: string | undefined,
  env: ConfigInput["env"],
  host: Pick<HostFacts, "uid" | "home" | "cwd">,
): string {
  const chosen = flag ?? (env.SINEW_STATE_DIR || undefined);
  if (chosen !== undefined) return absolute(chosen, host.cwd);
  // The XDG specification says a relative XDG_STATE_HOME is invalid and to be ignored.
  if (env.XDG_STATE_HOME?.startsWith("/")) return `${env.XDG_STATE_HOME}/sinew`;
  return host.uid === 0 ? "/var/lib/sinew" : `${host.home}/.local/state/sinew`;
}

/** Flags win over the environment, the environment over defaults. Throws ConfigError naming every bad value. */
export function parseConfig({ flags, env, host, kinds }: ConfigInput): Config {
  const reader = createReader({ flags, env, host });
  const { problems, bad, given, parsed, oneOf, path, yes } = reader;

  const role = oneOf("role", ROLES) ?? "all";
  // With a misspelt role nothing can be said about which flags belong to it.
  const roleKnown = problems.length === 0;
  for (const { flag, roles } of SETTINGS) {
    // Only flags: one environment file may serve all roles of a node.
    if (roleKnown && flags[flag] !== undefined && !roles.includes(role)) {
      problems.push(`--${flag}: has no use with --role ${role}, only with ${roles.join(", ")}`);
    }
  }
  const when = reader.only(roleKnown ? role : null);

  const auth = oneOf("auth", ["required", "open"]) ?? "required";
  const listenFrom = given("listen");
  const listen = parsed("listen", "HOST:PORT or unix:PATH", (text) => listenAt(text, host.cwd));
  if (listenFrom && listen && auth === "open") {
    const problem = boundSocket(listen);
    if (problem) bad(listenFrom.name, problem, JSON.stringify(listenFrom.text));
  }
  const [insecure, tlsAsked] = [yes("insecure"), yes("tls")];
  const [cert, key, ca, clientCa] = [path("tls-cert"), path("tls-key"), path("tls-ca"), path("tls-client-ca")];
  if (cert && !key) bad("--tls-key", "the key of --tls-cert", "nothing");
  if ((key || ca) && !cert) bad("--tls-cert", `the certificate of ${key ? "--tls-key" : "--tls-ca"}`, "nothing");
  const outside = listen !== null && "host" in listen && !isLoopback(listen.host);
  const wanted = tlsAsked || cert !== null || clientCa !== null;
  if (insecure && wanted) bad("--insecure", "no TLS option beside it", "both");
  if (wanted && listen && "unix" in listen)
    bad("--listen", "HOST:PORT where TLS is asked for", JSON.stringify(listenFrom?.text));
  const tls = (outside && !insecure) || wanted ? { files: cert && key ? { cert, key, ca } : null, clientCa } : null;
  const [ownCert, ownKey] = [
    when("client-cert", () => path("client-cert")),
    when("client-key", () => path("client-key")),
  ];
  if (ownCert && !ownKey) bad("--client-key", "the key of --client-cert", "nothing");
  if (ownKey && !ownCert) bad("--client-cert", "the certificate of --client-key", "nothing");
  const join = when("join", () => {
    const from = given("join");
    const said = from && joinText(from.text);
    if (!said || "join" in said) return said?.join ?? null;
    bad(from.name, "a join token as `sinew token create` prints it, or @FILE", said.problem);
    return null;
  });
  const dial = when("dial", () => parsed("dial", "networks such as 10.0.0.0/8,fd00:1::/32", parseCidrs));
  const url = (flag: string) =>
    when(flag, () => {
      const from = given(flag);
      const value = from ? peerUrl(from.text) : null;
      if (from && !value)
        bad(from.name, "HOST:PORT, an http(s) URL without credentials, or unix:PATH", hideUserInfo(from.text));
      return value;
    });
  const [conductor, agent, announced] = [url("conductor"), url("agent"), url("endpoint")];
  // Without a scheme it is http elsewhere, as in the seed; a listener with TLS is not to be called so.
  const bare = !/^(https?:\/\/|unix:|:)/i.test(given("endpoint")?.text ?? "");
  const endpoint = announced && tls && bare ? announced.replace(/^http:/, "https:") : announced;
  if (tls && endpoint?.startsWith("http:"))
    bad("--endpoint", "an https URL, as this listener speaks TLS", JSON.stringify(endpoint));

  const driver = when("driver", () => (kinds.length ? oneOf("driver", kinds) : null));
  if (role === "driver" && !kinds.length) bad("--role", `conductor, or agent with --drivers ${NO_KINDS}`, '"driver"');
  else if (role === "driver" && !given("driver")) bad("--driver", `one of ${kinds.join(", ")}`, "nothing");
  const drivers = when("drivers", () => {
    const from = given("drivers");
    // Not silently none: "found nothing" and "did not look" must never look alike.
    if (!kinds.length && from?.text !== "none") bad(from?.name ?? "--drivers", NO_KINDS, from?.text ?? "every kind");
    if (!from || !kinds.length) return null;
    if (from.text === "none") return [];
    const names = from.text.split(",").map((name) => name.trim());
    const unknown = names.filter((name) => !kinds.includes(name));
    if (unknown.length)
      bad(
        from.name,
        `none or a comma-separated list of ${kinds.join(", ")}`,
        unknown.map((name) => JSON.stringify(name)).join(", "),
      );
    return [...new Set(names)];
  });

  path("state");
  const state = stateDirectory(flags.state, env, host);
  const db = when("db", () => {
    const from = given("db");
    const value = from && databaseUrl(from.text, host.cwd);
    if (from && value && "problem" in value) bad(from.name, "sqlite:PATH or postgres://...", value.problem);
    return value && "url" in value ? value.url : null;
  });
  const node = when("node", () =>
    parsed("node", "1 to 253 letters, digits and . _ : @ / -", (text) => (NAME.test(text) ? text : null)),
  );
  const nodeId = when("node-id", () =>
    parsed("node-id", "a UUID that is not nil", (text) => (isUuid(text) ? text.toLowerCase() : null)),
  );
  const [sysfs, snapshot] = [when("sysfs", () => path("sysfs")), when("snapshot", () => path("snapshot"))];
  if (sysfs && snapshot) bad(given("snapshot")?.name ?? "--snapshot", `no ${given("sysfs")?.name} beside it`, "both");
  const desired = when("config", () => path("config"));
  if (desired && !kinds.length) bad(given("config")?.name ?? "--config", NO_KINDS, JSON.stringify(desired));
  if (desired && snapshot)
    bad(given("config")?.name ?? "--config", "no --snapshot beside it: nothing is set up in one", "both");
  if (join && conductor) bad("--join", "no --conductor beside it: the token has the conductor's address", "both");
  const remoteSetup = when("remote-setup", () =>
    oneOf<Config["remoteSetup"]>("remote-setup", ["off", "plan", "apply"]),
  );
  const lease = when("lease", () =>
    parsed("lease", "a number of seconds from 0.1 to 86400", (text) => seconds(text, 0.1, 86_400)),
  );
  const healthInterval = when("health-interval", () =>
    parsed("health-interval", "a number of seconds from 1 to 3600", (text) => seconds(text, 1, 3_600)),
  );
  const alarms = when("webhook", () => readAlarms(reader, given("dial") ? dial : [])) ?? NOBODY;
  const keep = when("keep-changes", () => readKeep(reader)) ?? {};
  const logFormat = oneOf("log-format", ["text", "json"]) ?? "text";

  if (problems.length) throw new ConfigError(problems);
  return {
    role,
    listen: listen ?? { host: "127.0.0.1", port: PORTS[role] },
    conductor,
    agent,
    driver,
    drivers: drivers ?? [...kinds],
    db: db ?? `sqlite:${state}/conductor.sqlite`,
    node,
    nodeId,
    state,
    source: snapshot ? { snapshot } : { sysfs: sysfs ?? "/sys" },
    healthInterval: healthInterval ?? 30,
    lease,
    endpoint,
    auth,
    join,
    desired,
    dial: dial ?? [],
    remoteSetup: remoteSetup ?? "plan",
    tls,
    client: ownCert && ownKey ? { cert: ownCert, key: ownKey } : null,
    insecure,
    exposed: insecure && outside,
    alarms,
    keep,
    logFormat,
    warnings: [...(insecure && outside ? [PLAIN] : []), ...strangers(env)],
  };
}

/** A misspelt variable would otherwise be silence. */
function strangers(env: ConfigInput["env"]): string[] {
  const known = new Set(SETTINGS.map((one) => one.env));
  return Object.keys(env)
    .filter((name) => name.startsWith("SINEW_") && !known.has(name))
    .sort()
    .map((name) => `${name} is set but is no setting of sinew; there are ${[...known].join(", ")}`);
}
