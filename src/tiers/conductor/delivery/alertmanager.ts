import type { Dialer } from "../../../client/dial.ts";
import { post } from "../../../client/post.ts";
import type { Alarm } from "../../../contract/fleet/alarm.ts";
import type { World } from "../../../world.ts";
import { DEADLINE_MS, type Target } from "./target.ts";

/**
 * An alarm as Alertmanager's API v2 takes it. Its labels are what it is known by, and the same when it is resolved. While it
 * fires no end is given: Alertmanager's own `resolve_timeout` then counts from each time it is told.
 */
export function alertOf(alarm: Alarm, generator: string | null) {
  const { kind, severity, node, source, uuid, fingerprint, reason, message, action, fired_at, since } = alarm;
  const startsAt = fired_at ?? since;
  const ended = alarm.state === "resolved" ? (alarm.resolved_at ?? startsAt) : null;
  return {
    labels: {
      ...{ alertname: kind, severity, fingerprint },
      ...(node ? { node: node.name, node_id: node.id } : {}),
      ...(source === null ? {} : { source }),
      ...(uuid === null ? {} : { device: uuid }),
    },
    annotations: {
      ...{ reason, summary: message },
      ...(action === null ? {} : { action }),
      ...(alarm.devices.total > 0 ? { devices: String(alarm.devices.total) } : {}),
      ...(alarm.members ? { nodes: String(alarm.members.total) } : {}),
    },
    startsAt,
    // An end before the start is refused, and the clock may have been put back between the two.
    ...(ended === null ? {} : { endsAt: Date.parse(ended) < Date.parse(startsAt) ? startsAt : ended }),
    ...(generator === null ? {} : { generatorURL: `${generator}/alarms/${alarm.id}` }),
  };
}

/** `generator`: this conductor's URL, for links back; null: it has none that others could open. */
export function alertmanager(
  url: string,
  { generator, dialer, world }: { generator: string | null; dialer: Dialer; world: World },
): Target {
  const send = (alarms: Alarm[], signal: AbortSignal) => {
    const body = JSON.stringify(alarms.map((alarm) => alertOf(alarm, generator)));
    const headers = { "content-type": "application/json" };
    const path = `${url.replace(/\/+$/, "")}/api/v2/alerts`;
    return post(path, { body, headers, deadlineMs: DEADLINE_MS, signal }, { dialer, world });
  };
  return {
    name: `alertmanager ${url}`,
    shown: `alertmanager ${new URL(url).origin}`,
    tell: (event, signal) => send([event.data], signal),
    repeat: send,
  };
}
