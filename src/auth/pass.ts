/**
 * A pass: what a process of this node shows another one instead of the operator token itself. Whoever has taken the port
 * of a tier that died gets a pass for that port and a minute, and not the key to the node.
 */
const SECONDS = 60;

const keyOf = (operatorToken: string) => new TextEncoder().encode(operatorToken);

/** What a pass is good for: the port, or the path of the socket. Host names of one machine are many. */
export function audienceOf(url: string): string {
  if (url.startsWith("unix:")) return url;
  const { port, protocol } = new URL(url);
  return `port:${port || (protocol === "https:" ? 443 : 80)}`;
}

/** A pass (JWT, HS256) for the tier at `url`. `now` in milliseconds. */
export async function signPass(operatorToken: string, url: string, now: number): Promise<string> {
  const { SignJWT } = await import("jose/jwt/sign");
  const seconds = Math.floor(now / 1000);
  return new SignJWT({})
    .setProtectedHeader({ alg: "HS256" })
    .setAudience(audienceOf(url))
    .setIssuedAt(seconds)
    .setExpirationTime(seconds + SECONDS)
    .sign(keyOf(operatorToken));
}

/** Whether this is a pass for the listener at `url` (null: one that is not ours, whose address is not known). */
export async function checkPass(
  pass: string,
  { operatorToken, url, now }: { operatorToken: string; url: string | null; now: number },
): Promise<boolean> {
  const { jwtVerify } = await import("jose/jwt/verify");
  try {
    await jwtVerify(pass, keyOf(operatorToken), {
      algorithms: ["HS256"],
      currentDate: new Date(now),
      requiredClaims: ["exp", "aud"],
      maxTokenAge: SECONDS,
      clockTolerance: 2,
      ...(url === null ? {} : { audience: audienceOf(url) }),
    });
    return true;
  } catch {
    return false; // which of its parts is wrong is nothing to tell a stranger
  }
}
