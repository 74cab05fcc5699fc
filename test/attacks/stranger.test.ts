import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { connect } from "../fuzz/socket.ts";
import { HOST, makeLab, type Started } from "./support.ts";

const NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--"];
/** It takes root to become another user. */
const isRoot = process.getuid?.() === 0;

describe("a stranger on this host", () => {
  const lab = makeLab();
  // Its folder lets others through: what keeps them out is what the product makes.
  chmodSync(lab.home, 0o755);
  const socket = lab.path("driver.sock");
  let tiers: Record<"conductor" | "agent" | "driver" | "all", Started>;

  beforeAll(async () => {
    const [conductor, agent, all] = await Promise.all([
      lab.startConductor("c"),
      lab.start("agent", "n", ["--snapshot", HOST]),
      lab.start("all", "a", ["--snapshot", HOST, "--drivers", "gpu"]),
    ]);
    const of = ["--driver", "ssd", "--snapshot", HOST, "--agent", agent.url, "--listen", `unix:${socket}`];
    tiers = { conductor, agent, driver: await lab.start("driver", "n", of), all };
  });
  afterAll(() => lab.close());

  const routesOf = async (at: Started, mount = "") => {
    const document = (await (await lab.ask(at, `${mount}/doc`, { token: undefined })).json()) as {
      paths: Record<string, Record<string, { security: unknown[] }>>;
    };
    return Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods)
        .filter(([, { security }]) => security.length > 0)
        .map(([method]) => ({ method: method.toUpperCase(), path: mount + path.replace(/\{[^}]+\}/, "x") })),
    );
  };
  const roles = ["conductor", "agent", "driver", "all"] as const;

  test.each(roles)("is 401 at every route of the %s, whatever it sends", async (role) => {
    const mounts = role === "all" ? ["", "/agent", "/drivers/gpu"] : role === "agent" ? ["", "/drivers/gpu"] : [""];
    for (const mount of mounts) {
      const routes = await routesOf(tiers[role], mount);
      expect(routes.length).toBeGreaterThan(3);
      for (const { method, path } of [...routes, { method: "GET", path: `${mount}/no-such-path` }]) {
        const headers = { "x-forwarded-for": "127.0.0.1", host: "localhost", cookie: "admin=1" };
        const asked = await lab.ask(tiers[role], path, { token: undefined, method, headers });
        expect([method, path, asked.status]).toEqual([method, path, 401]);
        expect(asked.headers.get("www-authenticate")).toContain("Bearer");
        expect(asked.headers.get("content-type")).toBe("application/problem+json");
      }
    }
  });

  test("gets around no gate by how a request is written", async () => {
    const { url } = tiers.all;
    const { host } = new URL(url);
    const targets = [
      "/hardware",
      "//hardware",
      "/%68ardware",
      "/hardware%00",
      "/hardware?",
      "/hardware#",
      "/HARDWARE",
      "/healthz/../hardware",
      "/healthz/%2e%2e/hardware",
      "/agent/hardware",
      "/agent//hardware",
      "//agent/hardware",
      "/agent/../hardware",
      "/agent/healthz/../hardware",
      "/agent%2fhardware",
      "/AGENT/hardware",
      "/agent/",
      "/agent?/healthz",
      "/drivers/gpu/hardware",
      "/drivers/gpu/../../hardware",
      "/drivers/../healthz/../hardware",
      "/drivers/nothing/hardware",
      `http://${host}/hardware`,
      `http://${host}/agent/hardware`,
      "http://localhost/healthz/../hardware",
      "http://other.example/hardware",
      "*",
    ];
    const hosts = [host, "localhost", "other.example", "x?/healthz", "x/healthz?", "x#/doc", "a@b/doc"];
    const asked = targets.flatMap((target) => hosts.map((named) => ({ target, named })));
    const answers = await Promise.all(
      asked.map(async ({ target, named }) => {
        const head = `GET ${target} HTTP/1.1\r\nHost: ${named}\r\nConnection: close\r\n\r\n`;
        return (await connect(url, head)).answers(2000);
      }),
    );
    // 400 is the parser's own, or of a Host header that is none; 200 is what anybody may read.
    for (const [index, { status, text } = { status: 0, text: "" }] of answers.map(([first]) => first).entries()) {
      expect([asked[index], [200, 400, 401].includes(status)]).toEqual([asked[index], true]);
      if (status === 200) expect(Object.keys(JSON.parse(text)).sort()).toEqual(["auth", "name", "role", "status"]);
    }
    expect(answers.flat().filter(({ status }) => status === 401).length).toBeGreaterThan(targets.length);
  });

  test("finds no file that is for anybody but its owner", () => {
    const found: string[] = [];
    const walk = (folder: string) => {
      expect([folder, (lstatSync(folder).mode & 0o777).toString(8)]).toEqual([folder, "700"]);
      for (const name of readdirSync(folder)) {
        const path = join(folder, name);
        const stat = lstatSync(path);
        if (stat.isDirectory()) walk(path);
        else if ((stat.mode & 0o077) !== 0) found.push(`${path} ${(stat.mode & 0o777).toString(8)}`);
      }
    };
    for (const state of ["c", "n", "a"]) walk(lab.path(state));
    expect(found).toEqual([]);
    expect((lstatSync(socket).mode & 0o777).toString(8)).toBe("600");
  });

  test.skipIf(!isRoot)("with an account of their own reads no token, and opens no socket", async () => {
    const nobody = async (...command: string[]) => {
      const child = Bun.spawn([...NOBODY, ...command], {
        cwd: "/",
        stdout: "pipe",
        stderr: "pipe",
        env: { PATH: "/usr/bin:/bin" },
      });
      const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
      return { code: await child.exited, out, err };
    };
    expect((await nobody("cat", "/etc/passwd")).code).toBe(0);
    expect((await nobody("ls", lab.home)).code).toBe(0);
    for (const file of ["operator.token", "node.key", "tls/ca.key", "conductor.sqlite"]) {
      const { code, err } = await nobody("cat", lab.path("c", file));
      expect([code, err]).toEqual([1, expect.stringContaining("Permission denied")]);
    }
    // By a program that anybody may run; it says ok where it can connect.
    const program = `require("node:net").connect(process.argv[1]).on("connect", () => { console.log("ok"); process.exit(0); }).on("error", (e) => { console.log(e.code); process.exit(0); })`;
    expect((await nobody(process.execPath, "-e", program, socket)).out.trim()).toBe("EACCES");
  });
});
