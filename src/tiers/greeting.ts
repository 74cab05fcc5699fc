import { type Endpoint, formatEndpoint, parseEndpoint } from "../client/endpoint.ts";
import type { Hello } from "../contract/hello.ts";
import { SinewError } from "../contract/problem.ts";
import { API_RANGE, API_VERSION, negotiate } from "../contract/version.ts";

/** Of an endpoint as it is stored, and of a source's name: a tier above refuses the whole node for a longer one. */
const LONGEST = 1024;

const invalid = (field: string, detail: string) =>
  new SinewError("invalid", `${field}: ${detail}`, { errors: [{ pointer: `/${field}`, detail }] });

/** The version to speak with the peer that said this hello. Throws SinewError api_version. */
export function agreeOnVersion(hello: Hello): string {
  // A seed peer has no word for versions: it speaks the first.
  if (!hello.api) return API_VERSION;
  const agreed = negotiate(hello.api);
  if (agreed !== null) return agreed;
  throw new SinewError(
    "api_version",
    `expected a range that meets ${API_RANGE.min} to ${API_RANGE.max}, got ${hello.api.min} to ${hello.api.max}`,
  );
}

/** Where the peer says it answers. Throws SinewError invalid, also for `own`: a tier that asks itself never ends. */
export function readEndpoint(
  hello: Hello,
  { remoteAddress, own }: { remoteAddress: string | null; own: string | null },
): Endpoint {
  const bad = (detail: string) => invalid("endpoint", detail);
  let endpoint: Endpoint;
  try {
    endpoint = parseEndpoint(hello.endpoint, remoteAddress);
  } catch (error) {
    throw bad(error instanceof Error ? error.message : String(error));
  }
  const text = formatEndpoint(endpoint);
  // What is percent-encoded grows.
  if (text.length > LONGEST)
    throw bad(`expected at most ${LONGEST} characters, got ${text.length} once written as a URL`);
  if (text === own) throw bad("expected the peer's address, got this tier's own");
  return endpoint;
}

/** The name of a driver that has the name of a built-in one. Throws SinewError invalid. */
export function nameBeside(builtIn: string, endpoint: string): string {
  const name = `${builtIn}@${endpoint}`;
  if (name.length <= LONGEST) return name;
  throw invalid(
    "name",
    `expected another one than that of a built-in driver, as this endpoint is too long to tell them apart`,
  );
}
