import type { Hardware } from "../../contract/hardware.ts";
import type { Node } from "../../contract/node.ts";
import { Exit } from "../exit.ts";
import { statusOf, whyOf } from "../get/kinds/hardware.ts";
import { nodeStatus, nodeWhy } from "../get/kinds/nodes.ts";
import { didYouMean } from "../show/near.ts";

/** What is waited for, as `--for` says it. */
export type Aim = { word: "ready" | "gone" | "live" } | { word: "condition"; type: string; status: string };

/** Throws Exit 2 where `--for` says none of it, or what a device, or a node, has not. */
export function parseAim(text: string, of: "hardware" | "node"): Aim {
  const [, type, status = "true"] = /^condition=([^=]+)(?:=(true|false|unknown))?$/i.exec(text) ?? [];
  if (type !== undefined) return { word: "condition", type, status: status.toLowerCase() };
  const words = of === "hardware" ? (["ready", "gone"] as const) : (["live", "gone"] as const);
  const word = words.find((one) => one === text.toLowerCase());
  if (word !== undefined) return { word };
  throw new Exit(
    2,
    `--for: expected ${words.join(", ")} or condition=TYPE[=true|false|unknown] of ${of}, found ${JSON.stringify(text)}`,
  );
}

/** How it is now; `null`: it is in no list (any more). */
export interface Seen {
  met: boolean;
  now: string;
}

/** A status and why; what says it once more itself, such as `Stale: source gpu is ...`, does not. */
function isText(status: string, why = ""): string {
  const [word = ""] = status.split(",");
  const again = why.toLowerCase().startsWith(`${word.toLowerCase()}: `);
  return `it is ${[status, again ? why.slice(word.length + 2) : why].filter(Boolean).join(": ")}`;
}

export function deviceSeen(aim: Aim, hardware: Hardware | null): Seen {
  if (hardware === null) return { met: aim.word === "gone", now: "it is not in the fleet" };
  const status = statusOf({ hardware, failed: null });
  const [why] = whyOf({ hardware, failed: null }).said;
  const now = isText(status, why?.text);
  if (aim.word === "gone") return { met: hardware.freshness === "GONE", now };
  // What was known last of it is no news.
  if (aim.word === "ready") return { met: hardware.acc_status.ready && hardware.freshness === "FRESH", now };
  return ofConditions(aim, hardware.freshness === "GONE" ? [] : hardware.acc_status.conditions, now);
}

export function nodeSeen(aim: Aim, node: Node | null): Seen {
  if (node === null) return { met: aim.word === "gone", now: "it is not in the fleet" };
  const [why] = nodeWhy(node).said;
  const now = isText(nodeStatus(node), why?.text);
  if (aim.word === "gone") return { met: node.state === "LOST" || node.state === "LEFT", now };
  if (aim.word === "live") return { met: node.state === "LIVE", now };
  return ofConditions(aim, node.conditions ?? [], now);
}

function ofConditions(aim: Aim, conditions: Hardware["acc_status"]["conditions"], now: string): Seen {
  if (aim.word !== "condition") return { met: false, now };
  const found = conditions.find(({ type }) => type.toLowerCase() === aim.type.toLowerCase());
  if (!found) {
    const near = didYouMean(
      aim.type,
      conditions.map(({ type }) => type),
    );
    return { met: false, now: `it has no condition ${aim.type}${near}; ${now}` };
  }
  const said = `${found.type} is ${found.status}: ${found.reason}: ${found.message}`;
  return { met: found.status === aim.status, now: said };
}
