import type { Dialer } from "../../../client/dial.ts";
import { post } from "../../../client/post.ts";
import type { World } from "../../../world.ts";
import { DEADLINE_MS, type Target } from "./target.ts";

const encoder = new TextEncoder();
const base64 = (bytes: Uint8Array) => btoa(String.fromCharCode(...bytes));

/** The key that a text stands for: `whsec_` and base64, as Standard Webhooks has it, or the text's own bytes. */
export function webhookKey(text: string): Uint8Array<ArrayBuffer> {
  const encoded = /^whsec_([A-Za-z0-9+/]+=*)$/.exec(text)?.[1];
  return encoded === undefined ? encoder.encode(text) : Uint8Array.from(atob(encoded), (byte) => byte.charCodeAt(0));
}

/** Signs as Standard Webhooks 1.0 does: HMAC-SHA256 of `id.timestamp.body`; a receiver refuses an old timestamp. */
export async function sign(
  key: Uint8Array<ArrayBuffer>,
  { id, timestamp, body }: { id: string; timestamp: number; body: string },
): Promise<string> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const imported = await crypto.subtle.importKey("raw", key, algorithm, false, ["sign"]);
  const signature = await crypto.subtle.sign("HMAC", imported, encoder.encode(`${id}.${timestamp}.${body}`));
  return `v1,${base64(new Uint8Array(signature))}`;
}

/** A receiver of CloudEvents, one a request (structured mode). The id is the same each time it is sent. */
export function webhook(
  url: string,
  { key, dialer, world }: { key: Uint8Array<ArrayBuffer>; dialer: Dialer; world: World },
): Target {
  return {
    name: `webhook ${url}`,
    shown: `webhook ${new URL(url).origin}`,
    atOnce: 1,
    async notify([event], signal) {
      if (!event) return;
      const body = JSON.stringify(event);
      const timestamp = Math.floor(world.now().getTime() / 1000);
      const headers = {
        "content-type": "application/cloudevents+json; charset=utf-8",
        "webhook-id": event.id,
        "webhook-timestamp": String(timestamp),
        "webhook-signature": await sign(key, { id: event.id, timestamp, body }),
      };
      await post(url, { body, headers, deadlineMs: DEADLINE_MS, signal }, { dialer, world });
    },
  };
}
