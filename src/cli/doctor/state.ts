import { access, constants, readdir, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { joinedStore } from "../credentials/joined.ts";
import { nodeKey, readOperatorToken } from "../credentials/secrets.ts";
import { codeOf, reasonOf } from "../exit.ts";
import { readNodeId } from "../host/node-id.ts";
import { expiryOf, readCertificates } from "../tls/certificate.ts";
import { type Finding, failed, good, warning } from "./finding.ts";

const MIB = 2 ** 20;
/** A conductor's database of a small fleet grows by as much in a day of trouble. */
const LITTLE_MIB = 256;
/** With less a write may not have the room that the database takes at once, for its journal. */
const NONE_MIB = 16;
const SOON_DAYS = 14;
const DAY_MS = 86_400_000;

/** The state directory: whether a tier could use it, and what is in it. */
export async function stateFindings(state: string): Promise<Finding[]> {
  const check = "state";
  let mode: number;
  try {
    const found = await stat(state);
    if (!found.isDirectory())
      return [failed(check, `${state}: expected a directory, found something else`, "--state names another")];
    mode = found.mode;
  } catch (error) {
    if (codeOf(error) !== "ENOENT") return [failed(check, `${state}: ${reasonOf(error)}`, `sudo ls -ld ${state}`)];
    return [good(check, `${state} is not there yet: the first \`sinew start\` makes it`)];
  }
  try {
    await access(state, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    const mend = `run as its owner, or sudo chown -R "$(id -un)" ${state}; --state names another`;
    return [failed(check, `${state}: ${reasonOf(error)}`, mend)];
  }
  const { bavail, bsize } = await statfs(state);
  const free = Math.floor((bavail * bsize) / MIB);
  const id = await readNodeId(state);
  return [
    good(check, `${state}${id === null ? "" : `, node ${id}`}`),
    mode & 0o077
      ? warning(check, `others may enter ${state} (mode ${(mode & 0o777).toString(8)})`, `chmod 700 ${state}`)
      : null,
    diskFinding(state, free),
  ].filter((one) => one !== null);
}

/** Whether there is room for what a tier writes down; `free` in MiB. */
export function diskFinding(state: string, free: number): Finding {
  const check = "disk";
  const mend = `make room there: df -h ${state}, du -xh ${state} | sort -h`;
  if (free < NONE_MIB) return failed(check, `${free} MiB are free at ${state}: nothing more can be stored`, mend);
  if (free >= LITTLE_MIB) return good(check, `${free} MiB are free`);
  return warning(check, `${free} MiB are free at ${state}: a full disk stops what is stored`, mend);
}

/** What this node is known by, and how long that holds. */
export async function credentialFindings(state: string): Promise<Finding[]> {
  const check = "credentials";
  const there: string[] = await readdir(state).catch(() => []);
  if (there.length === 0) return [];
  const findings: Finding[] = [];
  const operator = await readOperatorToken(state);
  if (operator !== null) findings.push(good(check, "operator.token is there, for its owner alone"));
  if (there.includes("node.key")) {
    await nodeKey(state);
    const joined = await joinedStore(state, () => {}).load();
    findings.push(
      good(check, joined ? `joined ${joined.url}` : "node.key is there; this node has joined no conductor"),
    );
  }
  const own = there.includes("tls") ? await readdir(join(state, "tls")) : [];
  for (const name of own.filter((one) => one.endsWith(".crt"))) {
    const [certificate] = await readCertificates(join(state, "tls", name));
    const days = Math.floor((expiryOf(certificate).getTime() - Date.now()) / DAY_MS);
    const what = `tls/${name}`;
    if (days >= SOON_DAYS) findings.push(good(check, `${what} holds for ${days} days`));
    else {
      const over = days < 0 ? `${what} has expired` : `${what} expires in ${days} days`;
      const mend = "restart the tier, which renews its own; files of yours (--tls-cert) are replaced while it runs";
      findings.push(days < 0 ? failed(check, over, mend) : warning(check, over, mend));
    }
  }
  return findings;
}
