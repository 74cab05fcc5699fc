import { type Row, row, spread } from "./measure.ts";
import { pollUntil, ready, startRole, syntheticSysfs } from "./processes.ts";

const ROUNDS = 9;
const FUNCTIONS = 20;
/** Of 20 functions three are root ports; the others are listed. */
const DEVICES = 17;

/** From the spawn of an agent to its devices in `GET /hardware` of a conductor that runs already. */
export async function arrival(): Promise<Row[]> {
  const sysfs = syntheticSysfs(FUNCTIONS);
  const conductor = startRole("conductor");
  await ready(conductor.url);
  const times: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const node = `node-${round}`;
    const since = performance.now();
    const agent = startRole("agent", "--sysfs", sysfs, "--conductor", conductor.url, "--node", node);
    const took = await pollUntil(`${conductor.url}/hardware?node=${node}`, (answer) => holds(answer, DEVICES), {
      since,
      pauseMs: 2,
    });
    await agent.stop();
    if (round > 0) times.push(took); // the first warms the conductor up
  }
  await conductor.stop();
  return [
    row({
      what: `agent start to its ${DEVICES} devices in the conductor`,
      unit: "ms",
      ours: spread(times),
      target: { of: "ours", limit: "at most", value: 500 },
    }),
  ];
}

async function holds(response: Response, devices: number): Promise<boolean> {
  const { hardware } = (await response.json()) as { hardware: unknown[] };
  return hardware.length === devices;
}
