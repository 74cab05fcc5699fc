/** All that an agent needs to join: printed by `sinew token create`, given to `sinew start --join`. */
export interface JoinToken {
  /** The conductor's base URL. */
  url: string;
  /** SHA-256 of the DER of the CA certificate that signs the conductor's, lower-case hex; null: no TLS, loopback only. */
  ca: string | null;
  /** The name in the conductor's certificate. */
  name: string;
  /** `id.secret` */
  credential: string;
}

export const JOIN_PREFIX = "sinew-join-";

export function formatJoinToken({ url, ca, name, credential }: JoinToken): string {
  const text = JSON.stringify([1, url, ca, name, credential]);
  const bytes = String.fromCharCode(...new TextEncoder().encode(text));
  return JOIN_PREFIX + btoa(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Throws RangeError, which repeats nothing of the text: it may hold a secret. */
export function parseJoinToken(text: string): JoinToken {
  const fail = (why: string) => new RangeError(`expected a join token as \`sinew token create\` prints it: ${why}`);
  if (!text.startsWith(JOIN_PREFIX)) throw fail(`it begins with ${JOIN_PREFIX}, this does not`);
  let fields: unknown;
  try {
    const bytes = atob(text.slice(JOIN_PREFIX.length).replaceAll("-", "+").replaceAll("_", "/"));
    fields = JSON.parse(
      new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(bytes, (c) => c.charCodeAt(0))),
    );
  } catch {
    throw fail("this one is damaged, perhaps cut off while it was copied");
  }
  if (!Array.isArray(fields) || fields[0] !== 1) throw fail("this one is of another version of Sinew");
  const [, url, ca, name, credential] = fields as unknown[];
  if (typeof url !== "string" || typeof name !== "string" || typeof credential !== "string")
    throw fail("it is damaged");
  if (ca !== null && !(typeof ca === "string" && /^[0-9a-f]{64}$/.test(ca))) throw fail("it is damaged");
  if (!/^[0-9a-f]{12}\.[\w-]{43}$/.test(credential) || !/^https?:\/\//.test(url)) throw fail("it is damaged");
  return { url, ca, name, credential };
}
