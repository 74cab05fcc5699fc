import { describe, expect, test } from "bun:test";
import { ConfigError, type ConfigInput, parseConfig, stateDirectory } from "../src/config.ts";
import { databaseUrl, isLoopback, isUuid, listenAt, withoutSecrets } from "../src/config-values.ts";
import { SETTINGS } from "../src/settings.ts";

const host = { uid: 1000, home: "/home/ada", cwd: "/home/op" };
const kinds = ["gpu", "crypto"];
const config = (flags: ConfigInput["flags"] = {}, env: ConfigInput["env"] = {}) =>
  parseConfig({ flags, env, host, kinds });
const problems = (flags: ConfigInput["flags"], env: ConfigInput["env"] = {}): readonly string[] => {
  try {
    config(flags, env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
};

describe("parseConfig()", () => {
  test("takes none for an agent without built-in drivers", () => {
    expect(config({ role: "agent", drivers: "none" }).drivers).toEqual([]);
    expect(problems({ role: "agent", drivers: "none,gpu" })).toHaveLength(1);
  });

  test("has to be told none where the runtime has no built-in drivers", () => {
    const elsewhere = (flags: ConfigInput["flags"]) => () => parseConfig({ flags, env: {}, host, kinds: [] });
    expect(elsewhere({ role: "agent", drivers: "none" })().drivers).toEqual([]);
    expect(elsewhere({ role: "conductor" })().role).toBe("conductor");
    expect(elsewhere({ role: "agent" })).toThrow("--drivers: expected none");
    expect(elsewhere({ drivers: "gpu" })).toThrow("--drivers: expected none");
    expect(elsewhere({ role: "driver", driver: "gpu" })).toThrow("--role: expected conductor, or agent");
  });

  test("gives the whole node on loopback when nothing is said", () => {
    expect(config()).toEqual({
      role: "all",
      listen: { host: "127.0.0.1", port: 1336 },
      conductor: null,
      agent: null,
      driver: null,
      drivers: ["gpu", "crypto"],
      db: "sqlite:/home/ada/.local/state/sinew/conductor.sqlite",
      node: null,
      nodeId: null,
      state: "/home/ada/.local/state/sinew",
      source: { sysfs: "/sys" },
      healthInterval: 30,
      lease: null,
      endpoint: null,
      auth: "required",
      join: null,
      desired: null,
      dial: [],
      tls: null,
      client: null,
      insecure: false,
      remoteSetup: "plan",
      exposed: false,
      alarms: { webhooks: [], webhookKeyFile: null, alertmanagers: [], hold: null, expectWithin: null },
      keep: {},
      logFormat: "text",
      warnings: [],
    });
  });

  test.each([
    ["all", 1336],
    ["conductor", 1336],
    ["agent", 1337],
    ["driver", 1338],
  ])("listens as %s on port %d by default", (role, port) => {
    expect(config({ role, driver: role === "driver" ? "gpu" : undefined }).listen).toEqual({ host: "127.0.0.1", port });
  });

  test("takes a flag before its variable, and an empty variable as none", () => {
    expect(config({ lease: "5" }, { SINEW_LEASE: "9" }).lease).toBe(5);
    expect(config({}, { SINEW_LEASE: "9" }).lease).toBe(9);
    expect(config({}, { SINEW_LEASE: "" }).lease).toBeNull();
  });

  test.each(["1", "30", "0.5e2", "0", "0.9", "3600.1", "-1", "soon", "Infinity"])(
    "takes --health-interval %s or names its bounds",
    (text) => {
      const flags = { "health-interval": text };
      if (["1", "30"].includes(text)) expect(config(flags).healthInterval).toBe(Number(text));
      else
        expect(problems(flags)).toEqual([
          `--health-interval: expected a number of seconds from 1 to 3600, found ${JSON.stringify(text)}`,
        ]);
    },
  );

  test("reads every setting from its variable", () => {
    expect(SETTINGS.map(({ env }) => env)).toContain("SINEW_STATE_DIR");
    const agent = config(
      {},
      {
        SINEW_ROLE: "agent",
        SINEW_LISTEN: "[::1]:0",
        SINEW_CONDUCTOR: "conductor:1336",
        SINEW_DRIVERS: "crypto, gpu",
        SINEW_NODE: "rack-1",
        SINEW_NODE_ID: "7B3F0C52-8A51-4B7E-9C1D-0A4F5E6D7C8B",
        SINEW_STATE_DIR: "state",
        SINEW_SNAPSHOT: "host.json",
        SINEW_ENDPOINT: "http://rack-1:1337/agent/",
        SINEW_AUTH: "open",
        SINEW_LOG_FORMAT: "json",
      },
    );
    expect(agent).toMatchObject({
      listen: { host: "::1", port: 0 },
      conductor: "http://conductor:1336",
      drivers: ["crypto", "gpu"],
      node: "rack-1",
      nodeId: "7b3f0c52-8a51-4b7e-9c1d-0a4f5e6d7c8b",
      state: "/home/op/state",
      source: { snapshot: "/home/op/host.json" },
      endpoint: "http://rack-1:1337/agent",
      logFormat: "json",
    });
  });

  test("names every bad value at once, by flag or variable, with what was expected and found", () => {
    const found = problems(
      { role: "conductor", listen: "1336", lease: "soon", db: "mysql://root:hunter2@db/x" },
      { SINEW_LOG_FORMAT: "xml", SINEW_ENDPOINT: "ftp://a" },
    );
    expect(found).toEqual([
      '--listen: expected HOST:PORT or unix:PATH, found "1336"',
      'SINEW_ENDPOINT: expected HOST:PORT, an http(s) URL without credentials, or unix:PATH, found "ftp://a"',
      "--db: expected sqlite:PATH or postgres://..., found a URL with the scheme mysql",
      '--lease: expected a number of seconds from 0.1 to 86400, found "soon"',
      'SINEW_LOG_FORMAT: expected one of text, json, found "xml"',
    ]);
  });

  test.each([
    [{ role: "driver", driver: "gpu", db: "sqlite:x" }, "--db"],
    [{ role: "conductor", node: "a" }, "--node"],
    [{ role: "conductor", sysfs: "/sys" }, "--sysfs"],
    [{ role: "agent", agent: "http://a" }, "--agent"],
    [{ role: "all", conductor: "http://a" }, "--conductor"],
    [{ role: "agent", driver: "gpu" }, "--driver"],
  ])("refuses a flag that the role has no use for: %j", (flags, flag) => {
    expect(problems(flags)).toHaveLength(1);
    expect(problems(flags)[0]).toStartWith(`${flag}: has no use with --role ${flags.role}`);
  });

  test("leaves a variable of another role alone: one environment file may serve a whole node", () => {
    expect(config({ role: "agent" }, { SINEW_DB: "nonsense", SINEW_DRIVER: "gpu" })).toMatchObject({ driver: null });
  });

  test("lists the kinds there are where --driver names none of them, or is missing", () => {
    expect(problems({ role: "driver", driver: "gqu" })).toEqual(['--driver: expected one of gpu, crypto, found "gqu"']);
    expect(problems({ role: "driver" })).toEqual(["--driver: expected one of gpu, crypto, found nothing"]);
    expect(problems({ drivers: "gpu,fgpa" })).toEqual([
      '--drivers: expected none or a comma-separated list of gpu, crypto, found "fgpa"',
    ]);
  });

  test.each([
    "0.0.0.0:0",
    "[::]:1",
    "192.168.1.2:1336",
    "example.org:80",
    "127.0.0.1.evil.org:80",
    "[::ffff:10.0.0.1]:80",
  ])("does not listen openly on %s, and says why", (listen) => {
    expect(problems({ auth: "open", listen }).join()).toContain(
      "because with --auth open anyone who can connect can use it",
    );
  });

  test("never repeats a join token, which is a secret even when it is damaged", () => {
    const said = problems({ role: "agent", join: "sinew-join-hunter2" });
    expect(said).toHaveLength(1);
    expect(said.join()).not.toContain("hunter2");
    // Of a line that was cut off it says so.
    expect(said.join()).toContain("perhaps cut off while it was copied");
    const other = problems({ role: "agent", join: "hunter2" }).join();
    expect(other).toContain("something else");
    expect(other).not.toContain("hunter2");
  });

  test("never repeats the password of a URL", () => {
    const said = [
      ...problems({ role: "agent", conductor: "http://ada:hunter2@host:1" }),
      ...problems({ db: "postgres://ada:hunter2@host:port/db" }),
      ...problems({ db: "ada:hunter2@host/db" }),
    ];
    expect(said).toHaveLength(3);
    expect(said.join()).not.toContain("hunter2");
  });

  test("refuses --sysfs beside --snapshot", () => {
    expect(problems({ sysfs: "/a", snapshot: "b" })).toEqual(["--snapshot: expected no --sysfs beside it, found both"]);
  });

  test("warns of a variable that looks like a setting and is none", () => {
    expect(config({}, { SINEW_LISTN: "x" }).warnings.join()).toContain("SINEW_LISTN");
  });
});

describe("stateDirectory()", () => {
  test("is --state, SINEW_STATE_DIR, XDG_STATE_HOME/sinew, ~/.local/state/sinew, and /var/lib/sinew for root", () => {
    const env = { SINEW_STATE_DIR: "/env", XDG_STATE_HOME: "/xdg" };
    expect(stateDirectory("flag", env, host)).toBe("/home/op/flag");
    expect(stateDirectory(undefined, env, host)).toBe("/env");
    expect(stateDirectory(undefined, { XDG_STATE_HOME: "/xdg" }, host)).toBe("/xdg/sinew");
    expect(stateDirectory(undefined, { XDG_STATE_HOME: "relative" }, host)).toBe("/home/ada/.local/state/sinew");
    expect(stateDirectory(undefined, {}, { ...host, uid: 0 })).toBe("/var/lib/sinew");
  });
});

describe("the values", () => {
  test("listenAt() reads host and port, an IPv6 address in brackets, or a socket of at most 107 bytes", () => {
    expect(listenAt("localhost:0", "/w")).toEqual({ host: "127.0.0.1", port: 0 });
    expect(listenAt("[::1]:65535", "/w")).toEqual({ host: "::1", port: 65535 });
    expect(listenAt("unix:run/a.sock", "/w")).toEqual({ unix: "/w/run/a.sock" });
    for (const text of ["", "a", ":1", "a:65536", "a:-1", "::1:1", "a:1/x", "unix:", `unix:/${"x".repeat(107)}`]) {
      expect(listenAt(text, "/w")).toBeNull();
    }
  });

  test("isLoopback() takes all of 127/8 and no lookalike", () => {
    for (const name of ["127.0.0.1", "127.255.0.9", "::1", "localhost"]) expect(isLoopback(name)).toBe(true);
    for (const name of ["0.0.0.0", "127.1", "127.0.0.256", "127.0.0.1.x", "::", "10.0.0.1"])
      expect(isLoopback(name)).toBe(false);
  });

  test("isUuid() refuses the nil UUID, which stands for no node", () => {
    expect(isUuid("00000000-0000-0000-0000-000000000000")).toBe(false);
    expect(isUuid("7b3f0c52-8a51-4b7e-9c1d-0a4f5e6d7c8b")).toBe(true);
    expect(isUuid("7b3f0c528a514b7e9c1d0a4f5e6d7c8b")).toBe(false);
  });

  test("databaseUrl() makes a path absolute", () => {
    expect(databaseUrl("sqlite:a.db", "/w")).toEqual({ url: "sqlite:/w/a.db" });
    expect(databaseUrl("postgres://db/sinew", "/w")).toEqual({ url: "postgres://db/sinew" });
  });

  test("withoutSecrets() takes a password out as written and as decoded", () => {
    const db = "postgres://ada:hun%20ter2@db/x";
    expect(withoutSecrets(`no: ${db} (hun ter2)`, db)).toBe("no: postgres://ada:***@db/x (***)");
    expect(withoutSecrets("nothing", "sqlite:/x")).toBe("nothing");
  });
});

describe("who is told of alarms", () => {
  test("URLs are a list, each once; webhooks need a key", () => {
    const { alarms } = config({
      webhook: "https://a.example/hook?x=1, http://127.0.0.1:9/b,https://a.example/hook?x=1",
      "webhook-key-file": "key",
      alertmanager: "http://127.0.0.1:9093",
      "alarm-hold": "0",
      "expect-within": "60",
    });
    expect(alarms).toEqual({
      webhooks: ["https://a.example/hook?x=1", "http://127.0.0.1:9/b"],
      webhookKeyFile: "/home/op/key",
      alertmanagers: ["http://127.0.0.1:9093/"],
      hold: 0,
      expectWithin: 60,
    });
  });

  test("an address may be told that is this host's or inside --dial", () => {
    const addresses = { alertmanager: "http://[fd12::7]:9093,http://10.1.2.3,http://[::1]:9093,http://127.0.0.1:9093" };
    expect(config({ ...addresses, dial: "10.0.0.0/8,fd12::/16" }).alarms.alertmanagers).toHaveLength(4);
    // What is wrong is the network, and nothing is said of what it would have allowed.
    expect(problems({ alertmanager: "http://10.1.2.3", dial: "10" })).toEqual([expect.stringContaining("--dial: ")]);
  });

  test.each([
    [{ webhook: "https://a.example" }, "--webhook-key-file"],
    [{ webhook: "ftp://a.example", "webhook-key-file": "k" }, "--webhook"],
    [{ webhook: "https://me:secret@a.example", "webhook-key-file": "k" }, "--webhook"],
    [{ alertmanager: "http://a.example/?x=1" }, "--alertmanager"],
    [{ "alarm-hold": "-1" }, "--alarm-hold"],
    [{ "expect-within": "week" }, "--expect-within"],
    [{ role: "agent", webhook: "https://a.example" }, "--webhook"],
    [{ "webhook-key-file": "k" }, "--webhook-key-file"],
    [{ webhook: "http://10.1.2.3/secret", "webhook-key-file": "k" }, "--webhook"],
    [{ webhook: "http://10.1.2.3/secret", "webhook-key-file": "k", dial: "10.2.0.0/16" }, "--webhook"],
    [{ alertmanager: "http://[fd12::7]:9093" }, "--alertmanager"],
    [{ alertmanager: "http://169.254.169.254", dial: "0.0.0.0/0" }, "--alertmanager"],
  ])("%p is refused, and repeats no password", (flags, name) => {
    const found = problems(flags);
    expect(found.join()).toContain(`${name}:`);
    expect(found.join()).not.toContain("secret");
  });
});
