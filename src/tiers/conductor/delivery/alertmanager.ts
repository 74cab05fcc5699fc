import type { Dialer } from "../../../client/dial.ts";
import { post } from "../../../client/post.ts";
import type { World } from "../../../world.ts";
import { DEADLINE_MS, type Known, type Target } from "./target.ts";

const AT_ONCE = 64;

/**
 * An alarm as Alertmanager's API v2 takes it. Its labels are what it is known by there, and `severity` is one of them: one whose
 * severity has changed is another alert, beside which the one that it was ends now. While it fires no end is given:
 * Alertmanager's own `resolve_timeout` then counts from each time it is notified.
 */
export function alertsOf({ alarm, former }: Known, { generator, now }: { generator: string | null; now: string }) {
  const { kind, severity, node, source, uuid, fingerprint, reason, message, action, fired_at, since } = alarm;
  const startsAt = fired_at ?? since;
  const ended = alarm.state === "resolved" ? (alarm.resolved_at ?? startsAt) : null;
  const alert = (severity: string, ended: string | null) => ({
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
  });
  const changed = former !== null && former !== severity;
  return [...(changed ? [alert(former, ended ?? now)] : []), alert(severity, ended)];
}

/** `generator`: this conductor's URL, for links back; null: it has none that others could open. */
export function alertmanager(
  url: string,
  { generator, dialer, world }: { generator: string | null; dialer: Dialer; world: World },
): Target {
  const send = (alarms: Known[], signal: AbortSignal) => {
    const now = world.now().toISOString();
    const alerts = alarms.flatMap((one) => alertsOf(one, { generator, now }));
    // Of what was said of one alert the last is what is so.
    const last = new Map(alerts.map((alert) => [JSON.stringify(alert.labels), alert]));
    const headers = { "content-type": "application/json" };
    const path = `${url.replace(/\/+$/, "")}/api/v2/alerts`;
    const body = JSON.stringify([...last.values()]);
    return post(path, { body, headers, deadlineMs: DEADLINE_MS, signal }, { dialer, world });
  };
  return {
    name: `alertmanager ${url}`,
    shown: `alertmanager ${new URL(url).origin}`,
    atOnce: AT_ONCE,
    notify: (events, signal) =>
      send(
        events.map(({ data, formerseverity = null }) => ({ alarm: data, former: formerseverity })),
        signal,
      ),
    repeat: send,
  };
}
