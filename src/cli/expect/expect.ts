import type { Command } from "commander";
import type { Expected, ExpectedCount, SetExpected } from "../../contract/device/expected.ts";
import { DEVICE_TYPES } from "../../contract/hardware.ts";
import { Exit } from "../exit.ts";
import { writeError } from "../host/stderr.ts";
import { type FleetFlags, fleet, fleetOptions } from "../operator/conductor.ts";
import type { Where } from "../operator/way.ts";
import { print } from "../output.ts";
import { deviceTier, whereOptions } from "../setup/tier.ts";
import { json as asJson } from "../show/json.ts";
import { printable } from "../text.ts";

export const examples = `
Examples:
  sinew expect learn                 on a node that is well: what is here now is to stay; again after a repair
  sinew expect set GPU=8 10de:20b2=8 said by hand: a kind, a vendor's device, or GPU/10de:20b2=8
  sinew expect show                  what is to be here, and what is missing
  sinew expect clear                 expect nothing any more
  sinew expect nodes FILE            at a conductor: which nodes are to be in the fleet, a name (id, labels) on each line
  sinew expect nodes                 which are, and which of them were never seen

What is missing becomes condition HardwarePresent of the node, here and at its conductor (GET /nodes).
Exit status: 0 done, 1 it could not be, 2 bad usage; of show 1 also where hardware is missing.`;

interface Flags extends Where {
  json?: true;
}

export function define(command: Command): void {
  const sub = (name: string, description: string) => whereOptions(command.command(name)).description(description);
  const json = ["--json", "one JSON document"] as const;
  sub("learn", "expect the hardware that is here now; it may rise by itself, and falls by this command alone")
    .option(...json)
    .action(async (flags: Flags) => show(await ask(flags, { method: "POST", path: "/expected/learn" }), flags));
  sub("set", "say what is to be here, in the place of all that was expected")
    .argument("<COUNT...>", "KIND=N, VENDOR:DEVICE=N or KIND/VENDOR:DEVICE=N, such as GPU=8 or 10de:20b2=8")
    .option(...json)
    .action(async (counts: string[], flags: Flags) => {
      const body: SetExpected = { counts: counts.map(parseCount) };
      const expected = await ask(flags, { method: "PUT", path: "/expected", body });
      await show(expected, flags);
      // A driver of one's own may bring such a kind; a misspelt one never comes.
      for (const { device_type, present } of expected.counts)
        if (present === 0 && device_type !== null && !DEVICE_TYPES.some((type) => type === device_type))
          writeError(`sinew: note: ${printable(device_type)} is none of Sinew's kinds (${DEVICE_TYPES.join(", ")})\n`);
    });
  sub("show", "show what is to be here, and what is missing")
    .option(...json)
    .action(async (flags: Flags) => {
      const expected = await ask(flags, { path: "/expected" });
      await show(expected, flags);
      if (expected.condition?.status === "false") process.exitCode = 1;
    });
  const nodes = command
    .command("nodes")
    .description(
      "at a conductor: say which nodes are to be in the fleet, in the place of all that were; without FILE show it",
    )
    .argument("[FILE]", "a line each: NAME [ID] [LABEL=VALUE...]; or JSON, where its name ends so");
  fleetOptions(nodes)
    .option(...json)
    .action(async (file: string | undefined, { json, ...flags }: FleetFlags & { json?: true }) => {
      const { expectNodes } = await import("../fleet/expect-nodes.ts");
      await expectNodes(file, { ...(await fleet(flags)), ...(json ? { json } : {}) });
    });
  sub("clear", "expect nothing any more").action(async (flags: Flags) => {
    await (await deviceTier(flags)).ask({ method: "DELETE", path: "/expected", refusal });
    await print("nothing is expected any more\n");
  });
}

/** Of a conductor alone: it reads what is expected, and only the node says it. */
const refusal = (problem: object): string | null =>
  "code" in problem && problem.code === "not_found"
    ? "no agent runs here, and what is expected of a node is said at the node itself; its condition is in GET /nodes"
    : null;

/** Our own agent's answer, whose schema its tests check. */
async function ask(flags: Flags, request: { method?: string; path: string; body?: unknown }): Promise<Expected> {
  const expected = (await (await deviceTier(flags)).ask({ ...request, refusal })) as Expected | null;
  if (Array.isArray(expected?.counts)) return expected;
  throw new Exit(1, "expected what is to be on the node, got something else");
}

/** `GPU=8`, `10de:20b2=8`, `GPU/10de:20b2=8` */
function parseCount(text: string): SetExpected["counts"][number] {
  const match = /^(?:([A-Za-z][\w-]{0,63})|(?:([A-Za-z][\w-]{0,63})\/)?([\da-f]{4}):([\da-f]{4}))=(\d{1,5})$/i.exec(
    text,
  );
  const [, alone, beside, vendor, device, digits] = match ?? [];
  const count = Number(digits);
  if (!match || count < 1 || count > 10_000) {
    throw new Exit(
      2,
      `expected KIND=N, VENDOR:DEVICE=N or KIND/VENDOR:DEVICE=N with N from 1 to 10000, such as GPU=8 or 10de:20b2=8, found ${JSON.stringify(text)}`,
    );
  }
  const kind = alone ?? beside;
  // Kinds are written in capitals; a driver of one's own may have its own way.
  const known = DEVICE_TYPES.find((type) => type === kind?.toUpperCase());
  return {
    ...(kind ? { device_type: known ?? kind } : {}),
    ...(vendor && device ? { vendor_id: vendor.toLowerCase(), device_id: device.toLowerCase() } : {}),
    count,
  };
}

async function show(expected: Expected, { json }: Flags): Promise<void> {
  if (json) return print(`${asJson(expected)}\n`);
  const { origin, since, counts, condition } = expected;
  if (origin === null || since === null) {
    return print("nothing is expected: `sinew expect learn` on a node that is well\n");
  }
  const lines = [
    `${origin} ${since}`,
    ...counts.map(lineOf),
    ...(counts.length === 0 ? ["no hardware was there"] : []),
    ...(condition && condition.status !== "true" ? [`${condition.reason}: ${condition.message}`] : []),
    ...(condition?.action ? [condition.action] : []),
  ];
  await print(`${lines.map(printable).join("\n")}\n`);
}

function lineOf({ device_type, vendor_id, device_id, count, present }: ExpectedCount): string {
  const kind = [device_type, vendor_id && `${vendor_id}:${device_id}`].filter(Boolean).join(" ");
  return `${present} of ${count}  ${kind}`;
}
