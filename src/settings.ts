export const ROLES = ["all", "conductor", "agent", "driver"] as const;
export type Role = (typeof ROLES)[number];

interface Setting {
  flag: string;
  env: string;
  /** How the help writes the value; null: the flag stands alone. */
  value: string | null;
  roles: readonly Role[];
  help: string;
}

const ANY = ROLES;
const ON_NODE = ["all", "agent", "driver"] as const;
const setting = (flag: string, value: string | null, roles: readonly Role[], help: string, env = flag): Setting => ({
  flag,
  env: `SINEW_${env.toUpperCase().replaceAll("-", "_")}`,
  value,
  roles,
  help,
});

/** Every setting of `start`: the command line, the environment, the help and the role check are made from this table. */
export const SETTINGS: readonly Setting[] = [
  setting("role", "ROLE", ANY, "all, conductor, agent or driver (default: all)"),
  setting(
    "listen",
    "HOST:PORT|unix:PATH",
    ANY,
    "default 127.0.0.1, port 1336 (all, conductor), 1337 (agent), 1338 (driver); port 0: a free one",
  ),
  setting(
    "conductor",
    "URL",
    ["agent"],
    "the conductor an agent reports to by calling and being called back; one on another machine is joined, see --join",
  ),
  setting("agent", "URL", ["driver"], "the agent a driver reports to"),
  setting("driver", "NAME", ["driver"], "the kind of accelerator a driver process finds"),
  setting(
    "drivers",
    "LIST",
    ["all", "agent"],
    "the agent's built-in drivers, comma-separated, or none (default: every kind)",
  ),
  setting(
    "db",
    "URL",
    ["all", "conductor"],
    "sqlite:PATH or postgres://... (default: conductor.sqlite in the state directory)",
  ),
  setting("node", "NAME", ON_NODE, "this node's name (default: the hostname)"),
  setting(
    "node-id",
    "UUID",
    ON_NODE,
    "this node's id, kept in the state directory (default: made once); a --snapshot is its own node unless it is given at each start",
  ),
  setting(
    "state",
    "DIR",
    ANY,
    "state directory (default: XDG_STATE_HOME/sinew, ~/.local/state/sinew, /var/lib/sinew for root)",
    "state-dir",
  ),
  setting("sysfs", "DIR", ON_NODE, "where sysfs is mounted (default: /sys)"),
  setting("snapshot", "FILE", ON_NODE, "replay a host recorded by `sinew snapshot` instead of reading sysfs"),
  setting(
    "health-interval",
    "SECONDS",
    ON_NODE,
    "how often all devices are looked at for what no event tells of, 1 to 3600, give or take a tenth (default: 30)",
  ),
  setting(
    "lease",
    "SECONDS",
    ["all", "conductor", "agent"],
    "how long a registration lasts without renewal (default: by the number of peers)",
  ),
  setting(
    "endpoint",
    "URL",
    ANY,
    "what others call this at (default: the listener); join tokens hold it, so a conductor on 0.0.0.0 needs it",
  ),
  setting(
    "auth",
    "MODE",
    ANY,
    "required: callers show a token; open: anyone may call, on loopback and unix sockets only (default: required)",
  ),
  setting(
    "join",
    "TOKEN|@FILE",
    ["agent"],
    "what `sinew token create` printed: joins that conductor; needed once, then kept in the state directory",
  ),
  setting(
    "dial",
    "CIDR,...",
    ["all", "conductor", "agent"],
    "networks in which peers may be called at the endpoint of their hello, besides this host (default: none)",
  ),
  setting(
    "config",
    "FILE",
    ON_NODE,
    "what is wanted of devices, JSON, TOML or YAML by its ending: which driver, how many VFs (default: nothing)",
  ),
  setting(
    "remote-setup",
    "off|plan|apply",
    ["all", "agent"],
    "what the conductor above may do about setting devices up: nothing, see plans, or carry them out (default: plan)",
  ),
  setting("tls", null, ANY, "TLS on a loopback address too; elsewhere it is always on"),
  setting(
    "tls-cert",
    "FILE",
    ANY,
    "the listener's certificate chain, PEM (default: signed by a CA made in the state directory)",
  ),
  setting("tls-key", "FILE", ANY, "its private key, PEM"),
  setting("tls-ca", "FILE", ANY, "the CA that signed it, which join tokens pin"),
  setting(
    "tls-client-ca",
    "FILE",
    ANY,
    "callers must show a client certificate that this CA signed, besides their token",
  ),
  setting("client-cert", "FILE", ["agent"], "a certificate, PEM, for a conductor that asks its callers for one"),
  setting("client-key", "FILE", ["agent"], "its private key, PEM"),
  setting("insecure", null, ANY, "plain HTTP off loopback: whoever listens in reads every token"),
  setting(
    "webhook",
    "URL,...",
    ["all", "conductor"],
    "who is told of alarms, as signed CloudEvents; may be given again for another (default: nobody)",
  ),
  setting(
    "webhook-key-file",
    "FILE",
    ["all", "conductor"],
    "what webhooks are signed with: whsec_ and base64, or any text",
  ),
  setting(
    "alertmanager",
    "URL,...",
    ["all", "conductor"],
    "Alertmanagers that are told of alarms; may be given again for another (default: none)",
  ),
  setting(
    "alarm-hold",
    "SECONDS",
    ["all", "conductor"],
    "how long trouble lasts before it is an alarm, and is over before that is, 0 to 3600; a lost agent is one at once (default: 30)",
  ),
  setting(
    "expect-within",
    "SECONDS",
    ["all", "conductor"],
    "how long an expected node may stay away before that is an alarm, 0 to 604800 (default: 600)",
  ),
  setting(
    "keep-changes",
    "AGE,COUNT",
    ["all", "conductor"],
    "how far back the feed and a device's history go: an age as 30d or 12h, a number, or both; all (default: 30d,1000000)",
  ),
  setting(
    "keep-operations",
    "AGE,COUNT",
    ["all", "conductor"],
    "how long finished operations are kept (default: 30d,1000)",
  ),
  setting("keep-alarms", "AGE,COUNT", ["all", "conductor"], "how long resolved alarms are kept (default: 90d,100000)"),
  setting("keep-audit", "AGE,COUNT", ["all", "conductor"], "how long the audit trail is kept (default: 90d,100000)"),
  setting("log-format", "FORMAT", ANY, "text or json lines on stderr (default: text)"),
];
