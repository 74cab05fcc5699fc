import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HardwareList } from "../../src/contract/hardware.ts";
import { endAll, startSinew } from "../support/process.ts";
import { makeTree, type Tree } from "../support/tree.ts";
import { cleanEnv, lines, run } from "./run.ts";

let home = "";
let tree: Tree;
beforeAll(() => {
  tree = makeTree();
  tree.add({
    address: "0000:00:02.0",
    vendor: "8086",
    device: "352b",
    class: "060400",
    secondary: 1,
    driver: "pcieport",
  });
});
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "sinew-start-"));
});
afterEach(async () => {
  await endAll();
  rmSync(home, { recursive: true });
});
afterAll(() => tree.close());

const state = () => join(home, "state");
const local = () => ["--state", state(), "--sysfs", tree.sysfs];
const agent = (...args: string[]) => startSinew(["--role", "agent", ...local(), ...args]);

describe("sinew start", () => {
  test("names every bad value on stderr, exits 2, and has written and listened nowhere", async () => {
    const { code, out, err } = await run(
      ["start", "--role", "driver", "--driver", "gqu", "--db", "sqlite:x", "--listen", "0.0.0.0", "--state", state()],
      cleanEnv(home, { SINEW_AUTH: "none", SINEW_AGENT: "http://ada:hunter2@x" }),
    );
    expect(code).toBe(2);
    expect(out).toBe("");
    for (const name of ["--driver", "--db", "--listen", "SINEW_AUTH", "SINEW_AGENT"])
      expect(err).toContain(`\n  ${name}: `);
    expect(err).not.toContain("hunter2");
    // .bun is the runtime's own cache.
    expect(readdirSync(home).filter((name) => name !== ".bun")).toEqual([]);
  });

  test("a key of webhooks that others may read is none", async () => {
    const key = join(home, "webhook.key");
    writeFileSync(key, "a key that everybody knows", { mode: 0o644 });
    const { code, err } = await run(
      [
        ...["start", "--role", "conductor", "--state", state(), "--listen", "127.0.0.1:0"],
        ...["--webhook", "http://127.0.0.1:9/x", "--webhook-key-file", key],
      ],
      cleanEnv(home),
    );
    expect({ code, err }).toEqual({
      code: 1,
      err: expect.stringContaining(`${key}: expected a file that only its owner reads, found mode 0644`),
    });
  });

  test("a second conductor on one SQLite file says who has it, and one after a kill begins all the same", async () => {
    const conductor = (name: string) => [
      ...["--role", "conductor", "--state", join(home, name), "--lease", "3"],
      ...["--db", `sqlite:${join(home, "one.sqlite")}`, "--listen", "127.0.0.1:0", "--auth", "open"],
    ];
    const first = await startSinew(conductor("first"));
    const { code, err } = await run(["start", ...conductor("second")], cleanEnv(home));
    expect(code).toBe(1);
    expect(err).toContain(`expected an SQLite file of its own, found conductor `);
    expect(err).toContain(` at ${first.url} serving it: `);
    await first.stop("SIGKILL");
    const second = await startSinew(conductor("second"));
    expect((await fetch(`${second.url}/readyz`)).status).toBe(200);
  }, 30_000);

  test("names the state directory where something cannot be written there, however late", async () => {
    // A folder in the place of the file stops root, too.
    mkdirSync(join(state(), "agent.url/x"), { recursive: true, mode: 0o700 });
    const { code, err } = await run(
      ["start", "--role", "agent", ...local(), "--listen", "127.0.0.1:0"],
      cleanEnv(home),
    );
    expect(code).toBe(1);
    expect(err).toContain(`sinew: cannot use the state directory ${state()}: `);
  });

  test("prints what was found, the addresses and the auth mode, then as its last line that it is ready", async () => {
    const { output, url } = await agent();
    const text = lines(output);
    expect(text[0]).toBe(
      `None of the 1 PCI functions looked at is an accelerator; \`sinew scan --all --sysfs ${tree.sysfs}\` shows them.`,
    );
    for (const path of ["hardware", "doc", "reference"]) expect(output).toContain(`${url}/${path}\n`);
    expect(output).toContain("open: no credentials, loopback only");
    expect(text.at(-1)).toBe(`sinew agent ready on ${url}`);
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
  });

  test.each([
    [[], "an accelerator"],
    [["--drivers", "fpga,nic"], "an FPGA or NIC"],
  ])("names the kinds it looked for in vain: %j", async (flags, kinds) => {
    const { output } = await agent(...flags);
    expect(output).toStartWith(`None of the 1 PCI functions looked at is ${kinds}; `);
  });

  test("a driver of one kind speaks of that kind alone", async () => {
    const { output } = await startSinew(["--role", "driver", "--driver", "gpu", ...local()]);
    expect(output).toStartWith("None of the 1 PCI functions looked at is a GPU; ");
  });

  test("says once that the bus cannot be read, and serves with the error at each source", async () => {
    const { output, url, log, stop } = await startSinew(["--role", "agent", "--state", state(), "--sysfs", "/nowhere"]);
    const why = "/nowhere/bus/pci/devices cannot be opened: ENOENT";
    expect(lines(output)[0]).toBe(`The PCI bus cannot be read: ${why}`);
    expect(output).not.toContain("scan --all");
    const { sources } = HardwareList.parse(await (await fetch(`${url}/hardware`)).json());
    expect(new Set(sources.map(({ error }) => error?.message))).toEqual(new Set([why]));
    await stop("SIGTERM");
    expect(lines(log()).filter((line) => line.includes("discovery failed"))).toHaveLength(1);
  });

  test("suggests no look at all functions where there are none", async () => {
    const empty = join(home, "empty");
    mkdirSync(join(empty, "bus/pci/devices"), { recursive: true });
    const { output } = await startSinew(["--role", "agent", "--state", state(), "--sysfs", empty]);
    expect(lines(output)[0]).toBe(`No PCI function is in ${empty}.`);
  });

  test("says how to install the packages where there are none, and leaves nothing behind", async () => {
    const root = join(import.meta.dir, "../..");
    const copy = join(home, "copy");
    cpSync(join(root, "src"), join(copy, "src"), { recursive: true });
    cpSync(join(root, "package.json"), join(copy, "package.json"));
    const command = [process.execPath, "--no-install", join(copy, "src/main.ts"), "start", ...local()];
    const child = Bun.spawn(command, { env: cleanEnv(home), stdout: "pipe", stderr: "pipe" });
    const [out, err] = [await new Response(child.stdout).text(), await new Response(child.stderr).text()];
    expect([out, await child.exited]).toEqual(["", 1]);
    expect(err).toMatch(/^sinew: .*'?zod'?.*; `bun install --production` installs what it needs\n$/);
    expect(existsSync(state())).toBe(false);
  });

  test("shows each device with its readiness and the reason", async () => {
    tree.add({ address: "0000:3b:00.0", vendor: "8086", device: "4940", class: "0b4000" });
    const { output } = await startSinew(["--role", "driver", "--driver", "crypto", ...local()]);
    tree.remove("0000:3b:00.0");
    expect(lines(output)[0]).toMatch(/^KIND +ADDRESS +SLOT +NAME +KERNEL DRIVER +NUMA +LINK +READY +WHY NOT$/);
    expect(lines(output)[1]).toMatch(/^CRYPTO +0000:3b:00\.0 .* no +\w+: /);
  });

  test("keeps its state directory to its owner", async () => {
    await agent();
    expect(statSync(state()).mode & 0o777).toBe(0o700);
    expect(statSync(join(state(), "node-id")).mode & 0o777).toBe(0o600);
  });

  test.each(["SIGTERM", "SIGINT"] as const)(
    "exits 0 on %s, which changes nothing when it comes again",
    async (signal) => {
      const { pid, stop } = await agent();
      for (let i = 0; i < 3; i++) process.kill(pid, signal);
      expect(await stop(signal)).toBe(0);
    },
  );

  test("answers a request in flight before it exits", async () => {
    const { url, stop } = await agent();
    const body = new ReadableStream({
      async start(controller) {
        controller.enqueue(new TextEncoder().encode("{"));
        // The server has the head of the request when it answers another that was sent after it.
        await fetch(`${url}/healthz`);
        void stop("SIGTERM");
        while (await fetch(`${url}/healthz`, { keepalive: false }).catch(() => null)) await Bun.sleep(5);
        controller.enqueue(new TextEncoder().encode("}"));
        controller.close();
      },
    });
    const headers = { "content-type": "application/json" };
    const response = await fetch(`${url}/discovery`, { method: "POST", body, headers });
    expect(response.status).toBe(202);
  });

  test("gives its place in the state directory back, also when it is killed", async () => {
    for (const signal of ["SIGTERM", "SIGKILL"] as const) await (await agent()).stop(signal);
    await (await agent()).stop("SIGTERM");
  });

  test("exits 1 naming the pid where the role already runs in the state directory", async () => {
    const { pid } = await agent();
    const second = await run(["start", "--role", "agent", "--listen", "127.0.0.1:0", ...local()], cleanEnv(home));
    expect(second).toEqual({ code: 1, out: "", err: `sinew: agent is already running in ${state()} (pid ${pid})\n` });
    const whole = await run(["start", "--listen", "127.0.0.1:0", ...local()], cleanEnv(home));
    expect(whole).toMatchObject({ code: 1, out: "" });
    expect(lines(whole.err)).toHaveLength(1);
  });

  test("runs beside another role, and a driver beside one of another kind, in one state directory", async () => {
    await agent();
    await startSinew(["--role", "driver", "--driver", "gpu", ...local()]);
    await startSinew(["--role", "driver", "--driver", "nic", ...local()]);
  });

  test("exits 1 with one line where the port is taken", async () => {
    const port = new URL((await agent()).url).port;
    const args = ["start", "--role", "agent", "--listen", `127.0.0.1:${port}`, "--sysfs", tree.sysfs];
    const { code, out, err } = await run(args, cleanEnv(home));
    expect({ code, out, err }).toEqual({
      code: 1,
      out: "",
      err: `sinew: cannot listen on 127.0.0.1:${port}: the port is taken (EADDRINUSE)\n`,
    });
  });

  test.each(["sqlite:/proc/none/x.sqlite", "postgres://ada:hunter2@127.0.0.1:1/sinew"])(
    "exits 1 with one line, and no password, where the database %s cannot be opened",
    async (db) => {
      const { code, out, err } = await run(
        ["start", "--role", "conductor", "--listen", "127.0.0.1:0", "--state", state(), "--db", db],
        cleanEnv(home),
      );
      expect({ code, out }).toEqual({ code: 1, out: "" });
      expect(lines(err)).toHaveLength(1);
      expect(err).toStartWith("sinew: cannot start conductor: ");
      expect(err).not.toContain("hunter2");
    },
  );

  test("keeps the node id that it was given", async () => {
    const id = "11111111-2222-4333-8444-555555555555";
    await agent("--node-id", id);
    // Which is what it is without being given it from then on.
    expect(readFileSync(join(state(), "node-id"), "utf8")).toBe(`${id}\n`);
  });

  test("exits 1 with one line where the state directory cannot be one, or its node-id is none", async () => {
    const file = join(home, "file");
    writeFileSync(file, "not-an-id");
    const start = (...args: string[]) =>
      run(["start", "--role", "agent", "--listen", "127.0.0.1:0", ...args], cleanEnv(home));
    const noDirectory = await start("--state", join(file, "state"));
    expect(noDirectory).toMatchObject({ code: 1, out: "" });
    expect(lines(noDirectory.err)).toHaveLength(1);
    writeFileSync(join(home, "node-id"), "not-an-id");
    const noId = await start("--state", home);
    expect(noId).toMatchObject({ code: 1, out: "" });
    expect(noId.err).toContain("expected one UUID");
  });

  test("serves a unix socket", async () => {
    const { url, output } = await agent("--listen", `unix:${join(home, "run", "agent.sock")}`);
    expect(url).toBe(`unix:${join(home, "run", "agent.sock")}`);
    expect(output).toContain("whoever may open the socket");
    expect((await fetch("http://localhost/hardware", { unix: url.slice(5) })).status).toBe(200);
  });

  test("logs lines of JSON on stderr when told so", async () => {
    const args = [
      "start",
      "--role",
      "conductor",
      "--state",
      state(),
      "--listen",
      "127.0.0.1:0",
      "--log-format",
      "json",
    ];
    const { err } = await run([...args, "--db", "sqlite:/proc/x/y"], cleanEnv(home, { SINEW_TYPO: "1" }));
    expect(JSON.parse(lines(err)[0] ?? "")).toMatchObject({
      level: "warn",
      message: expect.stringContaining("SINEW_TYPO"),
    });
  });
});
