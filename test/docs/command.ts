/** The words of one simple command, up to a pipe, a redirection, `&` or a comment. */
export function words(line: string): string[] {
  const found: string[] = [];
  for (const [, double, single, bare] of line.matchAll(/"([^"]*)"|'([^']*)'|([^\s"']+)/g)) {
    if (bare !== undefined && /^([|&;#]|\d?[<>])/.test(bare)) break;
    const word = double ?? single ?? bare;
    if (word !== undefined) found.push(word);
  }
  return found;
}

/** Where a command's stdout goes; null: nowhere else. */
export const redirection = (line: string): string | null => /\s>\s*(\S+)\s*$/.exec(line)?.[1] ?? null;

/** What `sinew` is given by this line, however it is called; null when it calls something else. */
export function sinewArguments(line: string): string[] | null {
  const all = words(line);
  while (/^[A-Z_]+=/.test(all[0] ?? "")) all.shift();
  const text = all.join(" ");
  const run = /^(?:npx --yes bun@[\d.]+|bun) run (?:--silent )?(start|sinew)(?: |$)/.exec(text);
  if (run) {
    const after = all.slice(all.indexOf(run[1] ?? "") + 1);
    return run[1] === "start" ? ["start", ...after] : after;
  }
  if (all[0] === "sinew") return all.slice(1);
  const main = all.findIndex((word) => word.endsWith("src/main.ts"));
  const runtime = /(^|\/)(bun|deno)$/.test(all[0] ?? "");
  return runtime && main > 0 ? all.slice(main + 1) : null;
}

/** `NAME="text"` or `NAME=$(command)`; null: the line is neither. */
export function assignment(line: string): { name: string; text: string } | { name: string; command: string } | null {
  const [, name = "", command, text] = /^([A-Z]+)=(?:\$\((.*)\)|"(.*)")$/.exec(line) ?? [];
  if (command !== undefined) return { name, command };
  return text === undefined ? null : { name, text };
}

/** A credential as pages show it: its beginning, and `...` for the rest. */
export const SHORTENED = /\b(sinew-join-|[0-9a-f]{12}\.)[\w-]*\.\.\./g;

export interface CurlRequest {
  url: string;
  init: RequestInit & { unix?: string };
  /** The file of the one CA to trust. */
  ca: string | null;
  showHead: boolean;
}

/** The few options of curl that the documents use; throws for another. */
export function curlRequest(line: string): CurlRequest | null {
  const [program, ...rest] = words(line);
  if (program !== "curl") return null;
  const request: CurlRequest = { url: "", init: { method: "GET" }, ca: null, showHead: false };
  const headers = new Headers();
  for (let i = 0; i < rest.length; i++) {
    const word = rest[i] ?? "";
    const value = () => rest[++i] ?? "";
    if (word === "-X") request.init.method = value();
    else if (word === "-d") {
      request.init.body = value();
      request.init.method = "POST";
      // What curl says of every -d, unless told otherwise.
      if (!headers.has("content-type")) headers.set("content-type", "application/x-www-form-urlencoded");
    } else if (word === "-H") {
      const [, name = "", text = ""] = /^([^:]+):\s*(.*)$/.exec(value()) ?? [];
      // Before its variables are filled in, a header may have no name yet.
      if (name !== "") headers.set(name, text);
    } else if (word === "--unix-socket") request.init.unix = value();
    else if (word === "--cacert") request.ca = value();
    else if (word === "-i" || word === "-si") request.showHead = true;
    else if (word.startsWith("-") && word !== "-s")
      throw new Error(`curl ${word} is not known to the documents' tests`);
    else request.url = word;
  }
  request.init.headers = headers;
  return request;
}
