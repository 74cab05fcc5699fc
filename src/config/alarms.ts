import { seconds } from "../config-values.ts";
import { hideUserInfo, type Reader } from "./reader.ts";

/** When trouble is an alarm, and who is told. */
export interface AlarmsConfig {
  webhooks: string[];
  /** The file with what they are signed with; given where there are any. */
  webhookKeyFile: string | null;
  alertmanagers: string[];
  /** Seconds; null: by default. */
  hold: number | null;
  expectWithin: number | null;
}

export const NOBODY: AlarmsConfig = {
  webhooks: [],
  webhookKeyFile: null,
  alertmanagers: [],
  hold: null,
  expectWithin: null,
};

export function readAlarms({ bad, given, parsed, path }: Reader): AlarmsConfig {
  const urls = (flag: string, queries: boolean) => {
    const from = given(flag);
    const texts = from?.text.split(",").map((one) => one.trim()) ?? [];
    const found = texts.map((text) => httpUrl(text, queries));
    if (from && found.some((url) => url === null))
      bad(
        from.name,
        `http(s) URLs without credentials${queries ? "" : " and query"}, with commas between`,
        hideUserInfo(from.text),
      );
    return [...new Set(found.flatMap((url) => url ?? []))];
  };
  const [webhooks, alertmanagers] = [urls("webhook", true), urls("alertmanager", false)];
  const webhookKeyFile = path("webhook-key-file");
  if (webhooks.length > 0 && webhookKeyFile === null)
    bad("--webhook-key-file", "a file with what --webhook is signed with", "nothing");
  const hold = parsed("alarm-hold", "a number of seconds from 0 to 3600", (text) => seconds(text, 0, 3_600));
  const expectWithin = parsed("expect-within", "a number of seconds from 0 to 604800", (text) =>
    seconds(text, 0, 604_800),
  );
  return { webhooks, webhookKeyFile, alertmanagers, hold, expectWithin };
}

function httpUrl(text: string, query: boolean): string | null {
  if (!/^https?:\/\//.test(text) || !URL.canParse(text)) return null;
  const url = new URL(text);
  return url.username || url.password || url.hash || (url.search && !query) ? null : url.href;
}
