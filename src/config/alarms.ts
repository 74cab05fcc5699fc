import { type Cidr, isInside, isLoopback, neverCalled, parseAddress } from "../client/address.ts";
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

/** `dial`: networks that may be called besides this host; null: what was given is none. */
export function readAlarms({ bad, given, parsed, path }: Reader, dial: readonly Cidr[] | null): AlarmsConfig {
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
    const urls = [...new Set(found.flatMap((url) => url ?? []))];
    // A name may be given another address later; an address stays what it is, and the first alarm is late to hear of it.
    const refused =
      dial === null ? [] : urls.map((url) => new URL(url).hostname).filter((host) => !callable(host, dial));
    if (from && refused.length > 0)
      bad(from.name, "addresses of this host, or inside --dial", [...new Set(refused)].join(", "));
    return urls;
  };
  const [webhooks, alertmanagers] = [urls("webhook", true), urls("alertmanager", false)];
  const webhookKeyFile = path("webhook-key-file");
  if (webhooks.length > 0 && webhookKeyFile === null)
    bad("--webhook-key-file", "a file with what --webhook is signed with", "nothing");
  const key = given("webhook-key-file");
  if (key && !given("webhook")) bad(key.name, "--webhook beside it, which it signs", "none");
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

/** Whether the host is a name, or an address that may be called. */
function callable(host: string, dial: readonly Cidr[]): boolean {
  const address = parseAddress(host);
  return address === null || (neverCalled(address) === null && (isLoopback(address) || isInside(address, dial)));
}
