import { type Hardware, HardwareList } from "../../../src/contract/hardware.ts";
import { Operation } from "../../../src/contract/operation.ts";
import { until } from "../../support/process.ts";
import type { Guest } from "./guest.ts";

/** By emulation Bun starts twenty times slower than on the machine itself. */
const START_DEADLINE_MS = 90_000;

/** Our program in a guest, as its operator meets it. */
export interface GuestSinew {
  /** As the operator of the node. */
  ask(path: string, init?: RequestInit): Promise<Response>;
  /** `GET /hardware`, all of it on one page. */
  hardware(): Promise<Hardware[]>;
  /** The device at an address. Throws where there is none. */
  at(address: string): Promise<Hardware>;
  /** `POST /discovery`, until it is finished. */
  discover(): Promise<Operation>;
  /** What it has logged. */
  log(): Promise<string>;
  stop(): Promise<void>;
}

const STATE = "/state/sinew";

/** All that our program keeps, for the next boot of the same machine; a guest's own memory goes with it. */
export const saveState = (guest: Guest) => guest.sh("tar -C /state -c . | base64");
export async function restoreState(guest: Guest, saved: string): Promise<void> {
  const { code, stderr } = await guest.run(["sh", "-c", "base64 -d | tar -C /state -x"], saved);
  if (code !== 0) throw new Error(`the state could not be restored: ${stderr}`);
}

/** Runs a command of ours in the guest, about the program that is started there; its stdout. Throws where it fails. */
export async function command(guest: Guest, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await guest.run(["bun", "src/main.ts", ...args]);
  if (code !== 0) throw new Error(`sinew ${args.join(" ")} exited ${code}: ${stderr}`);
  return stdout;
}

/** Writes a configuration that says this of its devices; the path for `--config`. */
export async function configure(guest: Guest, setup: object[]): Promise<string> {
  const { code, stderr } = await guest.run(["sh", "-c", "cat > /state/setup.json"], JSON.stringify({ setup }));
  if (code !== 0) throw new Error(stderr);
  return "/state/setup.json";
}

/** Starts our program in the guest, where QEMU's forwarded port reaches it, and waits until it is ready. */
export async function startInGuest(guest: Guest, ...args: string[]): Promise<GuestSinew> {
  const given = ["--state", STATE, "--listen", "0.0.0.0:1336", "--insecure", "--node", "lab", ...args];
  const pid = (await guest.sh(`bun src/main.ts start ${given.join(" ")} >/tmp/stdout 2>/tmp/log & echo $!`)).trim();
  const log = () => guest.sh("cat /tmp/log");
  await until(async () => {
    const answer = await fetch(`${guest.url}/readyz`).catch(() => null);
    if (answer === null && !(await isRunning())) throw new Error(`sinew start ${given.join(" ")}: ${await log()}`);
    return answer?.status === 200;
  }, START_DEADLINE_MS);
  const token = (await guest.sh(`cat ${STATE}/operator.token`)).trim();

  async function isRunning(): Promise<boolean> {
    return (await guest.run(["kill", "-0", pid])).code === 0;
  }
  const ask: GuestSinew["ask"] = (path, init = {}) =>
    fetch(`${guest.url}${path}`, { ...init, headers: { ...init.headers, authorization: `Bearer ${token}` } });
  async function hardware(): Promise<Hardware[]> {
    const answer = await ask("/hardware?limit=1000");
    if (!answer.ok) throw new Error(`GET /hardware: ${answer.status} ${await answer.text()}`);
    return HardwareList.parse(await answer.json()).hardware;
  }
  return {
    ask,
    hardware,
    log,
    async at(address) {
      const found = (await hardware()).find(({ pci }) => pci?.address === address);
      if (!found) throw new Error(`there is no ${address} in GET /hardware`);
      return found;
    },
    async discover() {
      const answer = await ask("/discovery", { method: "POST", headers: { prefer: "wait=60" } });
      return Operation.parse(await answer.json());
    },
    async stop() {
      await guest.sh(`kill ${pid}`);
      await until(async () => !(await isRunning()), START_DEADLINE_MS);
    },
  };
}
