/**
 * A pass: what a process of this node shows another one instead of the operator token itself. Whoever has taken the port
 * of a tier that died gets a pass for that port and a minute, and not the key to the node.
 */
const SECONDS = 60;

const keyOf = (operatorToken: string) => new TextEncoder().encode(operatorToken);

/** What a pass is good for: one address and port, or the path of a socket. */
export function audienceOf(url: string): string {
  if (url.startsWith("unix:")) return url;
  const { hostname, port, protocol } = new URL(url);
  return `${hostname === "localhost" ? "127.0.0.1" : hostname}:${port || (protocol === "https:" ? 443 : 80)}`;
}

/** Where a pass is shown: `localhost` is two addresses, and somebody else may listen on the one that we do not. */
export const passAddress = (url: string) => url.replace(/^(https?:\/\/)localhost(?=[:/]|$)/, "$1127.0.0.1");

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

/** Whether this is a pass for the listener at `url`; none is, where that is not known. */
export async function checkPass(
  pass: string,
  { operatorToken, url, now }: { operatorToken: string; url: string | null; now: number },
): Promise<boolean> {
  if (url === null) return false;
  const { jwtVerify } = await import("jose/jwt/verify");
  try {
    await jwtVerify(pass, keyOf(operatorToken), {
      algorithms: ["HS256"],
      currentDate: new Date(now),
      requiredClaims: ["exp", "aud"],
      maxTokenAge: SECONDS,
      clockTolerance: 2,
      audience: audienceOf(url),
    });
    return true;
  } catch {
    return false; // which of its parts is wrong is nothing to tell a stranger
  }
}
