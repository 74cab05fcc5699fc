import { HistoryList, SetupPlanned } from "../contract/device/setup.ts";
import { Telemetry } from "../contract/device/telemetry.ts";
import { ALL, type Check, type Context, isUuid, shapeOf, Unchecked, want, wantProblem, wantStatus } from "./check.ts";
import { listed } from "./hardware.ts";

/** A device to ask about: one that is there, by itself. */
async function subject(context: Context): Promise<string> {
  const { hardware } = await listed(context);
  const there = hardware.map(Object).filter(({ uuid, freshness }) => isUuid(uuid) && freshness !== "GONE");
  const once = there.filter(({ uuid }) => there.filter((one) => one.uuid === uuid).length === 1);
  if (once[0] === undefined) throw new Unchecked("no device is listed");
  return String(once[0].uuid);
}

/** The answer to a dry run; Unchecked where none is to be had. */
async function plan(context: Context) {
  const answer = await context.ask("POST", `/hardware/${await subject(context)}/setup`, { body: { dry_run: true } });
  // Version 1.0 grew it.
  if (answer.status === 404 && context.extended) throw new Unchecked("it has no setup");
  if (answer.status === 403) throw new Unchecked("the node lets no conductor plan a setup");
  if (answer.status === 409) throw new Unchecked("the device is listed twice");
  wantStatus(answer, 200);
  return answer;
}

/** What is done with one device. Nothing is set up: only plans are asked for. */
export const careChecks: Check[] = [
  {
    name: "telemetry, history and setup of a device that is not there are 404",
    tiers: ALL,
    seed: false,
    async run({ ask }) {
      const path = `/hardware/${crypto.randomUUID()}`;
      wantProblem(await ask("GET", `${path}/telemetry`), 404, "not_found");
      wantProblem(await ask("GET", `${path}/history`), 404, "not_found");
      wantProblem(await ask("POST", `${path}/setup`, { body: { dry_run: true } }), 404, "not_found");
    },
  },
  {
    name: "GET /hardware/{uuid}/telemetry answers what is measured, or 404 where nothing is",
    tiers: ALL,
    seed: false,
    async run(context) {
      const uuid = await subject(context);
      const answer = await context.ask("GET", `/hardware/${uuid}/telemetry`);
      if (answer.status === 404) return wantProblem(answer, 404, "not_found");
      wantStatus(answer, 200);
      const told = shapeOf<{ uuid: string }>(Telemetry, answer);
      want(told.uuid.toLowerCase() === uuid.toLowerCase(), `the telemetry of ${uuid}`, told.uuid);
    },
  },
  {
    name: "GET /hardware/{uuid}/history lists writes, the newest first",
    tiers: ALL,
    seed: false,
    async run(context) {
      const answer = await context.ask("GET", `/hardware/${await subject(context)}/history`);
      if (answer.status === 404) return wantProblem(answer, 404, "not_found");
      wantStatus(answer, 200);
      const times = shapeOf(HistoryList, answer).history.map(({ time }) => Date.parse(time));
      want(
        times.every((time, index) => index === 0 || time <= (times[index - 1] ?? time)),
        "the newest first",
        "another order",
      );
    },
  },
  {
    name: "POST /hardware/{uuid}/setup with dry_run answers a plan with 200, even where it would refuse",
    tiers: ALL,
    seed: false,
    async run(context) {
      shapeOf(SetupPlanned, await plan(context));
    },
  },
  {
    name: "POST /hardware/{uuid}/setup refuses a body that is missing, or says what it does not know, with 400",
    tiers: ALL,
    seed: false,
    async run(context) {
      await plan(context);
      const path = `/hardware/${await subject(context)}/setup`;
      wantProblem(await context.ask("POST", path), 400, "invalid");
      for (const body of [{ dry_run: true, conform: 1 }, { dry_run: "yes" }, { force: "all" }, []]) {
        wantProblem(await context.ask("POST", path, { body }), 400, "invalid");
      }
    },
  },
];
