import { readFile, stat } from "node:fs/promises";
import type { AlarmsConfig } from "../../config/alarms.ts";
import type { AlarmOptions } from "../../create/alarms.ts";
import { refuseShared } from "../credentials/secrets.ts";
import { Exit, reasonOf } from "../exit.ts";

/** Shorter ones can be guessed from what they signed. */
const SHORTEST_KEY = 16;

/** When trouble is an alarm and who is told, with the key that webhooks are signed with. Throws Exit. */
export async function alarmOptions(config: AlarmsConfig): Promise<AlarmOptions> {
  const { webhooks, webhookKeyFile, alertmanagers, hold, expectWithin } = config;
  return {
    ...{ webhooks, alertmanagers },
    ...(webhookKeyFile === null ? {} : { webhookKey: await keyIn(webhookKeyFile) }),
    ...(hold === null ? {} : { holdMs: hold * 1000 }),
    ...(expectWithin === null ? {} : { neverSeenMs: expectWithin * 1000 }),
  };
}

async function keyIn(file: string): Promise<string> {
  let text: string;
  try {
    const found = await stat(file);
    // What an administrator has given to a group (0640 of root, or a service manager's credential) is not everybody's.
    refuseShared(file, found, found.uid === 0 ? 0o037 : 0o077);
    text = (await readFile(file, "utf8")).trim();
  } catch (error) {
    if (error instanceof Exit) throw error;
    throw new Exit(1, `cannot read ${file}: ${reasonOf(error)}`);
  }
  if (text.length >= SHORTEST_KEY) return text;
  throw new Exit(1, `expected a key of at least ${SHORTEST_KEY} characters in ${file}, found ${text.length}`);
}
