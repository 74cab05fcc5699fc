import { type Endpoint, formatEndpoint, parseEndpoint } from "../client/endpoint.ts";
import type { Hello } from "../contract/hello.ts";
import { SinewError } from "../contract/problem.ts";
import { API_RANGE, API_VERSION, negotiate } from "../contract/version.ts";

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
  const bad = (detail: string) =>
    new SinewError("invalid", `endpoint: ${detail}`, { errors: [{ pointer: "/endpoint", detail }] });
  let endpoint: Endpoint;
  try {
    endpoint = parseEndpoint(hello.endpoint, remoteAddress);
  } catch (error) {
    throw bad(error instanceof Error ? error.message : String(error));
  }
  if (formatEndpoint(endpoint) === own) throw bad("expected the peer's address, got this tier's own");
  return endpoint;
}
