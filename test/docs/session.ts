import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import type { Subprocess } from "bun";
import { hostName } from "../../src/cli/host/facts.ts";
import { cleanEnv } from "../cli/run.ts";
import { freePort } from "../support/ports.ts";
import { assignment, type CurlRequest, curlRequest, redirection, SHORTENED, sinewArguments, words } from "./command.ts";
import { root, type Step } from "./markdown.ts";

const DEFAULT_PORTS: Record<string, number> = { all: 1336, conductor: 1336, agent: 1337, driver: 1338 };
/** Commands that only read, or write what is the page's own. */
const RUN = new Set(
  `scan snapshot conform token node expect get describe history wait top drift doctor alarms ack window context cordon uncordon
  label rename forget backup completion --version`.split(/\s+/),
);
/** Whether a session runs it; what it only starts, or asks by HTTP, too. */
export function isRun(command: string): boolean {
  const args = sinewArguments(command);
  if (args) return args[0] === "start" || RUN.has(args[0] ?? "");
  return assignment(command) !== null || curlRequest(command) !== null || EXAMPLE.test(command);
}

const EXAMPLE = /^bun ((?:examples|test\/support)\/\S+)(.*)$/;
/** What our roles, the examples, and a driver that knows nothing of us print when they listen. */
const READY = /^((sinew \w+ )?ready on .*|localhost:\d+)\n/m;

/**
 * One page's commands in order, in real processes: on free ports in the place of those shown, with a state directory of
 * their own. What comes out is turned back, so that it can be compared with the page.
 */
export class Session {
  readonly #home = mkdtempSync(join(tmpdir(), "sinew-docs-"));
  readonly #ports = new Map<number, number>();
  readonly #made = new Set<string>();
  readonly #running: Subprocess[] = [];
  readonly #variables = new Map<string, string>();
  /** The credentials printed, by how they begin: pages shorten them. */
  readonly #credentials = new Map<string, string>();
  /** The first alarm of the last list: its id is another each time. */
  #alarm = "";

  constructor() {
    // A machine has these.
    for (const path of ["tmp", "var/lib", "var/backups"]) mkdirSync(join(this.#home, path), { recursive: true });
  }

  /**
   * The output, or null for a command that is not for tests (another program, or one that takes long). Throws where one whose
   * output is not shown fails.
   */
  async run({ command, before, output }: Step): Promise<string | null> {
    if (before) await this.#end(this.#running[before.process - 1], before.signal as NodeJS.Signals);
    const set = assignment(command);
    if (set) {
      const value = "text" in set ? this.#here(set.text) : await this.#printed(set.command);
      this.#variables.set(set.name, value);
      return null;
    }
    const line = this.#here(command);
    const curl = curlRequest(line);
    if (curl) return this.#shown(await request(curl));
    const example = EXAMPLE.exec(line);
    if (example) return this.#shown(await this.#started([join(root, example[1] ?? ""), ...words(example[2] ?? "")]));
    const args = sinewArguments(line);
    if (!args) return null;
    const main = join(root, "src/main.ts");
    if (args[0] === "start")
      return this.#shown(await this.#started([main, ...this.#files(args), ...this.#listen(args)]));
    if (!RUN.has(args[0] ?? "")) return null;
    const child = this.#spawn([main, ...this.#files(args)]);
    const [out, err, code] = await Promise.all([textOf(child.stdout), textOf(child.stderr), child.exited]);
    if (output === null && code !== 0) throw new Error(`${command}: exit ${code}: ${err}`);
    const file = redirection(line);
    this.#remember(out);
    if (file === null) return this.#shown(out + err);
    const path = resolve(this.#home, file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, out, { mode: 0o600 });
    this.#made.add(file);
    return this.#shown(err);
  }

  /** Files that a page has made are in its own directory. */
  #files(args: string[]): string[] {
    return args.map((word) =>
      word.replace(/^@?(.+)$/, (all, file) => (this.#made.has(file) ? all.replace(file, join(this.#home, file)) : all)),
    );
  }

  /** What a command of ours prints between `$(` and `)`. */
  async #printed(command: string): Promise<string> {
    const args = sinewArguments(this.#here(command));
    if (!args) throw new Error(`$(${command}) is not known to the documents' tests`);
    const child = this.#spawn([join(root, "src/main.ts"), ...args]);
    const [out, err] = await Promise.all([textOf(child.stdout), textOf(child.stderr), child.exited]);
    if (out === "") throw new Error(`$(${command}) is empty: ${err}`);
    this.#remember(out);
    return out.trim();
  }

  #remember(out: string): void {
    this.#alarm = /^([0-9a-f]{8}) {2}\w+ +\w+\.\w+ /m.exec(out)?.[1] ?? this.#alarm;
    const [credential, begin] = /^(sinew-join-|[0-9a-f]{12}\.)[\w-]+$/m.exec(out) ?? [];
    if (credential !== undefined) this.#credentials.set(begin === "sinew-join-" ? begin : "token", credential);
  }

  async close(): Promise<void> {
    await Promise.all(this.#running.map((child) => this.#end(child, "SIGKILL")));
    rmSync(this.#home, { recursive: true, force: true });
  }

  async #end(child: Subprocess | undefined, signal: NodeJS.Signals): Promise<void> {
    child?.kill(signal);
    await child?.exited;
  }

  /** A start without --listen takes its role's port, which another process of this machine may have. */
  #listen(args: string[]): string[] {
    if (args.includes("--listen")) return [];
    const role = args[args.indexOf("--role") + 1] ?? "all";
    const port = this.#port(DEFAULT_PORTS[args.includes("--role") ? role : "all"] ?? 0);
    return ["--listen", `127.0.0.1:${port}`];
  }

  #port(shown: number): number {
    const known = this.#ports.get(shown);
    if (known !== undefined) return known;
    const free = freePort();
    this.#ports.set(shown, free);
    return free;
  }

  #here(command: string): string {
    return command
      .replace(/(127\.0\.0\.1|localhost):(\d+)/g, (_, host, port) => `${host}:${this.#port(Number(port))}`)
      .replace(/(?<= )133\d(?= )/g, (port) => String(this.#port(Number(port))))
      .replace(/(?<![\w.])\/(run\/sinew|tmp|var\/lib|var\/backups)(?=\/)/g, (path) => `${this.#home}${path}`)
      .replaceAll("~/.local/state/", `${this.#home}/xdg/`)
      .replace(SHORTENED, (_, begin) => this.#credentials.get(begin === "sinew-join-" ? begin : "token") ?? "")
      .replace(/(?<=token revoke )[0-9a-f]{12}/, () => this.#credentials.get("token")?.split(".")[0] ?? "")
      .replace(/(?<=\back )[0-9a-f]{8}/, () => this.#alarm)
      .replace(/\$\(cat ([^)]+)\)/g, (_, path) => readFileSync(path, "utf8").trim())
      .replace(/\$([A-Z]+)/g, (_, name) => this.#variables.get(name) ?? "");
  }

  #shown(text: string): string {
    const back = new Map([...this.#ports].map(([shown, free]) => [free, shown]));
    return text
      .replace(/(127\.0\.0\.1|localhost):(\d+)/g, (_, host, port) => `${host}:${back.get(Number(port)) ?? port}`)
      .replaceAll(`root@${hostName()}`, "root@c1")
      .replaceAll(`${this.#home}/xdg/`, "/home/ada/.local/state/")
      .replaceAll(this.#home, "");
  }

  #spawn(args: string[]) {
    return Bun.spawn([process.execPath, ...args], {
      cwd: root,
      env: cleanEnv(this.#home, { PORT: "0", SUDO_USER: "root" }),
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
  }

  async #started(args: string[]): Promise<string> {
    const at = args.find((word) => word.startsWith("unix:"))?.slice(5);
    if (at) mkdirSync(join(at, ".."), { recursive: true, mode: 0o700 });
    const child = this.#spawn(args);
    this.#running.push(child);
    const errors = textOf(child.stderr);
    let output = "";
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) {
      output += decoder.decode(chunk, { stream: true });
      if (READY.test(output)) return output;
    }
    return output + (await errors);
  }
}

const textOf = (stream: ReadableStream<Uint8Array>) => new Response(stream).text();

async function request({ url, init, ca, showHead }: CurlRequest): Promise<string> {
  const tls = ca === null ? {} : { tls: { ca: readFileSync(ca, "utf8"), rejectUnauthorized: true } };
  const response = await fetch(url, { ...init, ...tls });
  const body = await response.text();
  if (!showHead) return body;
  const head = [...response.headers].map(([name, value]) => `${name}: ${value}\n`).join("");
  return `HTTP/1.1 ${response.status} ${response.statusText}\n${head}\n${body}`;
}

/** What may differ between two runs, each in one spelling. */
const normal = (text: string) =>
  text
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/gi, "UUID")
    .replace(/\d{4}-\d\d-\d\d(T[\d:.]+Z| [\d:]+)/g, "TIME")
    .replace(/\bsinew-join-[\w-]+/g, "sinew-join-TOKEN")
    .replace(/\b[0-9a-f]{12}\.[\w-]+/g, "TOKEN")
    .replace(/\b[0-9a-f]{12}\b/g, "ID")
    .replace(/\b[0-9a-f]{64}\b/g, "SHA-256")
    // Of an alarm, in a table.
    .replace(/^[0-9a-f]{8}(?= {2}(warning|critical) )/gm, "ID")
    .replace(/"key":"[\w-]{43}"/g, '"key":"KEY"')
    .replace(/"(revision|since)":\d+/g, '"$1":N')
    .replace(/"generation":"\w+"/g, '"generation":"N"')
    .replace(/W\/"\w+"/g, 'W/"N"')
    .replace(/127\.0\.0\.1:\d+/g, "127.0.0.1:PORT")
    .replace(/\(pid \d+\)/g, "(pid N)")
    // How long ago, as tables say it.
    .replace(/ \d+(s|m|h)(\d+[sm])?(?= )/g, " AGE")
    .replace(/\s+/g, "");

/**
 * Whether `actual` is what the page shows: equal but for times, ids, revisions and white space. `...` in the page stands
 * for anything; headers count in any order, and only those shown.
 */
export function isShown(shown: string, actual: string): boolean {
  const [head, tail] = split(shown);
  const [actualHead, actualTail] = split(actual);
  const headers = actualHead.split("\n").map((line) => normal(line).toLowerCase());
  if (!head.split("\n").every((line) => line === "" || headers.includes(normal(line).toLowerCase()))) return false;
  const pieces = normal(tail).split("...");
  if (pieces.length === 1) return pieces[0] === normal(actualTail);
  let rest = normal(actualTail);
  if (!rest.startsWith(pieces[0] ?? "") || !rest.endsWith(pieces.at(-1) ?? "")) return false;
  for (const piece of pieces) {
    const at = rest.indexOf(piece);
    if (at < 0) return false;
    rest = rest.slice(at + piece.length);
  }
  return true;
}

function split(text: string): [head: string, body: string] {
  if (!text.startsWith("HTTP/")) return ["", text];
  const end = text.indexOf("\n\n");
  return end < 0 ? [text, ""] : [text.slice(0, end), text.slice(end + 2)];
}
