import { z } from "zod";
import { Accepted, Operation } from "../contract/operation.ts";
import { ALL, type Check, type Context, shapeOf, Unchecked, Wrong, want, wantProblem, wantStatus } from "./check.ts";
import { bytes, type Sending } from "./client.ts";

const OPERATION_SECONDS = 60;

/** Posts, and wants what the seed shows: IN-PROGRESS. */
async function post({ ask }: Context, sending: Sending = {}) {
  const answer = await ask("POST", "/discovery", sending);
  wantStatus(answer, 200, 201, 202);
  const { status } = shapeOf(z.looseObject({ status: z.string() }), answer);
  want(status === "IN-PROGRESS", 'POST /discovery to answer {"status":"IN-PROGRESS"}', status);
  return answer;
}

/** Follows an operation to its end. */
async function finished({ ask }: Context, uuid: string): Promise<Operation> {
  const end = performance.now() + OPERATION_SECONDS * 1000;
  while (performance.now() < end) {
    const answer = await ask("GET", `/operations/${uuid}`, { headers: { prefer: "wait=5" } });
    wantStatus(answer, 200);
    const operation = shapeOf(Operation, answer);
    want(operation.uuid === uuid, `the operation ${uuid}`, operation.uuid);
    if (operation.status !== "IN-PROGRESS") return operation;
    await new Promise((resume) => setTimeout(resume, 100));
  }
  throw new Wrong(`operation ${uuid} to end within ${OPERATION_SECONDS} s`, "IN-PROGRESS");
}

async function accepted(context: Context): Promise<string> {
  const answer = await context.ask("POST", "/discovery");
  wantStatus(answer, 202);
  return shapeOf(Accepted, answer).operation;
}

export const discoveryChecks: Check[] = [
  {
    name: "POST /discovery without a body answers IN-PROGRESS",
    tiers: ALL,
    seed: true,
    run: async (context) => void (await post(context)),
  },
  {
    name: 'POST /discovery with {} and with {"status":"IN-PROGRESS"} answers IN-PROGRESS',
    tiers: ALL,
    seed: true,
    async run(context) {
      await post(context, { body: {} });
      await post(context, { body: { status: "IN-PROGRESS" } });
    },
  },
  {
    name: "POST /discovery takes any JSON object under any content type, or none",
    tiers: ALL,
    seed: false,
    async run(context) {
      await post(context, { body: bytes("{}") });
      await post(context, { body: bytes('{"a":1}'), headers: { "content-type": "text/plain" } });
      await post(context, { headers: { "content-type": "application/json" } });
    },
  },
  {
    name: "POST /discovery refuses what is no JSON object with 400",
    tiers: ALL,
    seed: false,
    async run({ ask }) {
      for (const body of ["[]", "1", "{"]) {
        const headers = { "content-type": "application/json" };
        wantProblem(await ask("POST", "/discovery", { body: bytes(body), headers }), 400, "invalid");
      }
    },
  },
  {
    name: "POST /discovery answers 202 with an operation, and Location leads to it",
    tiers: ALL,
    seed: false,
    async run({ ask }) {
      const answer = await ask("POST", "/discovery");
      wantStatus(answer, 202);
      const { operation } = shapeOf(Accepted, answer);
      const location = answer.headers.get("location") ?? "none";
      want(location.endsWith(`/operations/${operation}`), `Location .../operations/${operation}`, location);
      wantStatus(await ask("GET", `/operations/${operation}`), 200);
    },
  },
  {
    name: "an operation comes to an end, and says of each child how it went",
    tiers: ALL,
    seed: false,
    async run(context) {
      const { status, finished_at, children } = await finished(context, await accepted(context));
      want(finished_at !== null, `finished_at of an operation that is ${status}`, "null");
      const open = children.filter((child) => child.status === "IN-PROGRESS").map(({ name }) => name);
      want(open.length === 0, `no child in progress in an operation that is ${status}`, open.join(", "));
      const failed = children.filter((child) => child.status !== "SUCCEEDED").map(({ name }) => name);
      want(
        failed.length === 0 || status !== "SUCCEEDED",
        "PARTIAL or FAILED with failed children",
        `${status}: ${failed.join(", ")}`,
      );
      const mute = children.filter((child) => child.status === "FAILED" && !child.error).map(({ name }) => name);
      want(mute.length === 0, "an error of each child that FAILED", `none of ${mute.join(", ")}`);
    },
  },
  {
    name: "POST /discovery with Prefer: wait answers 200 with the operation when it ends in time",
    tiers: ALL,
    seed: false,
    async run(context) {
      const answer = await context.ask("POST", "/discovery", { headers: { prefer: "wait=30" }, seconds: 40 });
      if (answer.status === 202) {
        const { operation } = shapeOf(Accepted, answer);
        const { status } = shapeOf(Operation, await context.ask("GET", `/operations/${operation}`));
        want(status === "IN-PROGRESS", "200 with the operation, which has ended", `202 and ${status}`);
        throw new Unchecked("a discovery takes longer than 30 s here");
      }
      wantStatus(answer, 200);
      const { status } = shapeOf(Operation, answer);
      want(status !== "IN-PROGRESS", "202 for an operation that has not ended", `200 with ${status}`);
    },
  },
  {
    name: "a second POST /discovery joins the operation that runs",
    tiers: ALL,
    seed: false,
    async run(context) {
      const [one = "", other = ""] = await Promise.all([accepted(context), accepted(context)]);
      const operations = [await finished(context, one), await finished(context, other)];
      if (one === other) return;
      operations.sort((a, b) => Date.parse(a.started_at) - Date.parse(b.started_at));
      const [first, second] = operations;
      // Two, if the first was over before the second call came.
      const apart = Date.parse(first?.finished_at ?? "") <= Date.parse(second?.started_at ?? "");
      want(apart, "one operation at a time", `${one} and ${other} at once`);
    },
  },
  {
    name: "GET /operations/{uuid} is 404 for an operation that is not known",
    tiers: ALL,
    seed: false,
    run: async ({ ask }) => wantProblem(await ask("GET", `/operations/${crypto.randomUUID()}`), 404, "not_found"),
  },
];
