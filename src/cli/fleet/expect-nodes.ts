import type { ExpectedDiff, ExpectedNodes } from "../../contract/fleet/expected.ts";
import { Exit } from "../exit.ts";
import { call } from "../operator/call.ts";
import type { Where } from "../operator/way.ts";
import { print } from "../output.ts";
import { json as asJson } from "../show/json.ts";
import { columns } from "../table.ts";
import { printable } from "../text.ts";

const PATH = "/nodes/expected";
/** Of an agent alone: which nodes there are is its conductor's to know. */
const refusal = (problem: object): string | null =>
  "code" in problem && problem.code === "not_found"
    ? "expected a conductor, which knows the fleet: --conductor says where one is"
    : null;

interface Flags extends Where {
  json?: true;
}

/** Says which nodes are to be there, or without a file shows it. */
export const expectNodes = (file: string | undefined, flags: Flags): Promise<void> =>
  file === undefined ? show(flags) : set(file, flags);

async function set(file: string, flags: Flags): Promise<void> {
  const { readNodes } = await import("./nodes-file.ts");
  const { nodes } = await readNodes(file);
  const answer = (await call(flags, { method: "PUT", path: PATH, body: { nodes }, refusal }))
    .body as ExpectedDiff | null;
  if (!Array.isArray(answer?.added)) throw new Exit(1, "expected what the list changed, got something else");
  if (flags.json) return print(`${asJson(answer)}\n`);
  const { added, withdrawn, changed, unchanged } = answer;
  const lines = [
    ...added.map((name) => `+ ${name}`),
    ...withdrawn.map((name) => `- ${name}`),
    ...changed.map((name) => `~ ${name}`),
    `${nodes.length} nodes are expected: ${added.length} added, ${withdrawn.length} withdrawn, ${changed.length} changed, ${unchanged} as before`,
  ];
  await print(`${lines.map(printable).join("\n")}\n`);
}

async function show(flags: Flags): Promise<void> {
  const answer = (await call(flags, { path: PATH, refusal })).body as ExpectedNodes | null;
  if (!Array.isArray(answer?.nodes)) throw new Exit(1, "expected a list of nodes, got something else");
  if (flags.json) return print(`${asJson(answer)}\n`);
  if (answer.nodes.length === 0) return print("no node is expected: `sinew expect nodes FILE`\n");
  const rows = answer.nodes.map(({ name, id, node }) => [name, node ?? id ?? "-", node === null ? "never" : "yes"]);
  await print(columns([["NAME", "ID", "SEEN"], ...rows]));
}
