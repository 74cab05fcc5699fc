import type { Described } from "./document.ts";
import type { Random } from "./random.ts";
import { jsonOf, ODD_JSON, ODD_STRINGS } from "./values.ts";

/** Who asks: a role, and what it sends as Authorization; null: nothing. */
export interface Caller {
  role: string;
  authorization: string | null;
}

/** What answers have shown and requests may name again. */
export interface Seen {
  uuids: string[];
  operations: string[];
  tokens: string[];
  etags: string[];
}

export interface FuzzRequest {
  method: string;
  /** With its query, as it goes over the wire. */
  target: string;
  headers: [name: string, value: string][];
  body: Uint8Array<ArrayBuffer> | string | null;
  /** The path template, where it is one of the document's. */
  template: string | null;
  /** Words of Authorization that nobody may say again. */
  secrets: string[];
}

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const OTHER_METHODS = ["TRACE", "CONNECT", "PROPFIND", "QUERY", "MADEUP", "get", "G\u00ebT"];
/** Methods that fetch does not send as they are. */
export const needsSocket = ({ method }: FuzzRequest) => OTHER_METHODS.includes(method);

const ELSEWHERE = [
  ...[
    "/",
    "/doc",
    "/reference",
    "/reference/swagger-ui.css",
    "/reference/__proto__",
    "/reference/%2e%2e%2fpackage.json",
  ],
  ...[
    "/nowhere",
    "/hardware/",
    "//hardware",
    "/hardware/%00",
    "/hardware/%ff",
    "/%",
    "/hello/x",
    "/operations",
    "/./hello",
  ],
  ...[
    "/constructor",
    "/__proto__",
    "/agent/../hardware",
    "/HARDWARE",
    "/hardware;x=1",
    `/${"x".repeat(3000)}`,
    "/\u4f60",
  ],
];
const TYPES = [
  ...[
    "text/plain",
    "application/xml",
    "multipart/form-data; boundary=x",
    "multipart/form-data",
    "application/jsonx",
    "",
  ],
  ...[
    "application/x-www-form-urlencoded",
    "application/problem+json",
    "application/json; charset=utf-16",
    "\u00e9/\u00e9",
  ],
  ...["application/json;charset=UTF-8", "APPLICATION/JSON", "application/json;", "application/json, text/plain", "*/*"],
];
const HEADERS: Record<string, readonly string[]> = {
  // At most a second: what waits longer is right, and takes the test's time.
  prefer: ["wait=0", "wait=1", "wait=-1", "wait=1e9", "wait", "wait=\u00b2", "respond-async", 'wait="1"', ",;=,"],
  "if-none-match": ["*", "W/", '"', 'W/"0"', "W/*, x", "\u00ff", ",,,", `"${"a".repeat(2000)}"`],
  "sinew-api-version": ["1.0", "1.99", "0.9", "2.0", "1", "1.0.0", "-1.0", "99999999999.0", "NaN", "__proto__"],
  "sinew-asked-by": ["driver", "agent", "conductor", "__proto__", "stranger"],
  "x-request-id": ["x", "\u00ff", "a".repeat(2000)],
  "x-forwarded-for": ["127.0.0.1", "::1, 10.0.0.1", "unknown"],
  "content-encoding": ["gzip", "identity", "br, gzip"],
  accept: ["text/html", "application/json;q=0", "*/*;q=x"],
  origin: ["null", "http://evil.example"],
  upgrade: ["websocket", "h2c"],
  range: ["bytes=0-0", "bytes=-1"],
  expect: ["200-maybe"],
  cookie: ["a=b; __proto__=c", "a".repeat(4000)],
};

/** `index` and the seed say it all, but for what has been seen. */
export function makeRequest(
  random: Random,
  { operations, resolve }: Described,
  seen: Seen,
  caller: Caller,
): FuzzRequest {
  const { path, method, operation } = random.pick(operations);
  const declared = random.chance(90);
  const request: FuzzRequest = {
    method: random.chance(85) ? method : random.pick(random.chance(80) ? METHODS : OTHER_METHODS),
    target: declared ? targetOf(path, operation) : random.pick(ELSEWHERE),
    headers: [],
    body: null,
    template: declared ? path : null,
    secrets: [],
  };
  if (!["GET", "HEAD", "TRACE", "CONNECT"].includes(request.method)) request.body = body();
  addHeaders();
  return request;

  function targetOf(template: string, { parameters }: typeof operation): string {
    const at = template.replace(/\{\w+\}/g, () => encodeURIComponent(pathParameter(template).toWellFormed()));
    const pairs: string[] = [];
    for (const { name, schema } of parameters.filter((one) => one.in === "query")) {
      if (!random.chance(25)) continue;
      const good = String(JSON.parse(jsonOf(schema, random, resolve)));
      const value = name === "page_token" && random.chance(70) ? pickOr(seen.tokens, "AA") : good;
      pairs.push(`${name}=${random.chance(70) ? encodeURIComponent(value) : odd()}`);
      if (random.chance(3)) pairs.push(pairs.at(-1) ?? "");
    }
    if (random.chance(5))
      pairs.push(random.pick(["__proto__=1", "=", "&&", "x", "limit[]=1", "%=%", "%ff=%zz", odd()]));
    return pairs.length > 0 ? `${at}?${pairs.join("&")}` : at;
  }

  function odd(): string {
    return encodeURIComponent(random.pick(ODD_STRINGS).slice(0, 500).toWellFormed());
  }

  function pickOr<T>(of: readonly T[], otherwise: T): T {
    return of.length > 0 ? random.pick(of) : otherwise;
  }

  function pathParameter(template: string): string {
    const known = template.startsWith("/operations") ? seen.operations : seen.uuids;
    const uuid = pickOr(known, "00000000-0000-0000-0000-000000000000");
    if (random.chance(60)) return uuid;
    return random.pick([
      uuid.toUpperCase(),
      uuid.slice(1),
      `${uuid}0`,
      `{${uuid}}`,
      ...ODD_STRINGS.map((s) => s.slice(0, 500)),
    ]);
  }

  function body(): FuzzRequest["body"] {
    const schema = Object.values(operation.requestBody?.content ?? {})[0]?.schema;
    const kind = random.int(100);
    if (kind < 5) return null;
    if (kind < 15) return random.bytes(random.int(300));
    if (kind < 16) return `{"x":"${"y".repeat(1_100_000)}"}`;
    if (kind < 25) return random.pick(ODD_JSON);
    if (!schema) return random.chance(50) ? "{}" : null;
    const text = jsonOf(schema, random, resolve, kind < 70);
    // Cut, or with a byte that is no UTF-8.
    if (kind < 75) return text.slice(0, random.int(text.length));
    if (kind < 80) return new Uint8Array([...new TextEncoder().encode(text.slice(0, -1)), 0xff, 0x7d]);
    return text;
  }

  function addHeaders(): void {
    const { headers } = request;
    if (request.body !== null && random.chance(95)) {
      headers.push(["content-type", random.chance(75) ? "application/json" : random.pick(TYPES)]);
    }
    if (seen.etags.length > 0 && random.chance(5)) headers.push(["if-none-match", random.pick(seen.etags)]);
    else if (random.chance(25)) {
      const name = random.pick(Object.keys(HEADERS));
      headers.push([name, random.pick(HEADERS[name] ?? [])]);
    }
    if (random.chance(1)) for (let i = 0; i < 150; i++) headers.push([`x-many-${i}`, "v"]);
    if (random.chance(1)) headers.push(["x-long", "v".repeat(30_000)]);
    const { authorization, secrets } = random.chance(15)
      ? oddAuthorization(random)
      : { authorization: caller.authorization, secrets: secretsOf(caller.authorization) };
    if (authorization !== null) headers.push(["authorization", authorization]);
    request.secrets = secrets;
  }
}

const secretsOf = (authorization: string | null) => (authorization ?? "").split(" ").slice(1);

function oddAuthorization(random: Random): { authorization: string; secrets: string[] } {
  const secret = `secret-${Buffer.from(random.bytes(12)).toString("hex")}`;
  const base64 = (text: string) => Buffer.from(text).toString("base64url");
  const jwt = `${base64('{"alg":"none"}')}.${base64(`{"sub":"${secret}"}`)}.`;
  const basic = Buffer.from(`root:${secret}`).toString("base64");
  const authorization = random.pick([
    ...[`Bearer ${secret}`, `bearer   ${secret}`, `Bearer ${secret} ${secret}`, `Bearer ${secret},${secret}`, secret],
    ...[
      `Basic ${basic}`,
      `Digest username="${secret}"`,
      `Bearer ${jwt}`,
      `Bearer ${secret.repeat(150)}`,
      `Bearer\t${secret}`,
    ],
    ...[
      `Bearer \u00ff${secret}`,
      `Bearer ${secret}.${secret}`,
      `Bearer '${secret}' OR 1=1`,
      `: ${secret}`,
      `Bearer "${secret}"`,
    ],
  ]);
  return { authorization, secrets: [secret, basic, jwt] };
}
