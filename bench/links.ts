import { join } from "node:path";
import { LINK_LEASE_SECONDS } from "../src/tiers/lease.ts";
import { freePort } from "../test/support/ports.ts";
import { type Row, row, spread } from "./measure.ts";
import { type startPeer, withPeers as withAll } from "./peers.ts";
import { cpuMs, memoryMb, scratch } from "./processes.ts";
import { output } from "./programs.ts";

const LINKS = 10_000;
/** Two processes: one would be the slower side. */
const CLIENTS = 2;
const BUSY_LINKS = 200;
const BUSY_ROUNDS = 100;
/** These hellos come sooner than those of an agent, so that nobody waits for ten minutes. */
const EVERY_MS = 1_000;
const BEATS = 60;
/** An agent renews after 75 to 100 % of a third of its lease (src/tiers/upward.ts). */
const BETWEEN_SECONDS = (LINK_LEASE_SECONDS / 3) * 0.875;
const HELLOS_A_DAY = 86_400 / BETWEEN_SECONDS;
const MB_A_DAY = 2;

const program = new URL("./link-peer.ts", import.meta.url).pathname;
type Start = (args: string[], prefix?: string[]) => ReturnType<typeof startPeer>;
const withPeers = <T>(work: (start: Start) => Promise<T>) =>
  withAll((start) => work((args, prefix) => start(program, args, prefix)));

/** What agents that hold their links cost: bytes and CPU of a heartbeat, and ten thousand that connect over TLS. */
export async function links(): Promise<Row[]> {
  if (!Bun.which("openssl")) return [row({ what: "links", unit: "", note: "no openssl here" })];
  const cert = join(scratch(), "cert.pem");
  const key = join(scratch(), "key.pem");
  const names = ["-subj", "/CN=conductor.bench", "-addext", "subjectAltName=DNS:conductor.bench"];
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  await output(["openssl", "req", "-x509", ...kind, ...names, "-keyout", key, "-out", cert]);
  return [...(await bytes(cert, key)), ...(await cpu(cert, key)), ...(await storm(cert, key))];
}

/** All bytes of a link that only beats, as the interface of a machine with nothing else on it counts them. */
async function bytes(cert: string, key: string): Promise<Row[]> {
  const what = `an idle agent's link in a day, one hello every ${BETWEEN_SECONDS.toFixed(1)} s`;
  const [here, there] = [`sinew-bench-${process.pid}a`, `sinew-bench-${process.pid}b`];
  const ip = (...args: string[]) => output(["ip", ...args]);
  const inside = (name: string) => ["ip", "netns", "exec", name];
  try {
    for (const name of [here, there]) {
      await ip("netns", "add", name);
      // Router solicitations are the interface's, not the link's.
      await output([...inside(name), "sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6"]);
    }
    await ip("link", "add", "eth0", "netns", here, "type", "veth", "peer", "name", "eth0", "netns", there);
    for (const [name, address] of [
      [here, "10.99.99.1/30"],
      [there, "10.99.99.2/30"],
    ] as const) {
      await ip("-n", name, "address", "add", address, "dev", "eth0");
      await ip("-n", name, "link", "set", "eth0", "up");
    }
  } catch (error) {
    await ip("netns", "del", here).catch(() => {});
    await ip("netns", "del", there).catch(() => {});
    const why = error instanceof Error ? error.message : String(error);
    return [row({ what, unit: "MB", note: `not measured, it takes root and network namespaces: ${why}` })];
  }
  const count = async () => {
    const names = ["rx_bytes", "tx_bytes", "rx_packets", "tx_packets"].map(
      (name) => `/sys/class/net/eth0/statistics/${name}`,
    );
    const [rx = 0, tx = 0, rxPackets = 0, txPackets = 0] = (await output([...inside(there), "cat", ...names]))
      .trim()
      .split("\n")
      .map(Number);
    return { bytes: rx + tx, packets: rxPackets + txPackets };
  };
  try {
    return await withPeers(async (start) => {
      await start(["conductor", "10.99.99.1", "1336", cert, key], inside(here)).told("ready");
      const agent = start(["agents", "wss://10.99.99.1:1336/link", cert, "1", String(EVERY_MS)], inside(there));
      // The first few still are a new connection's.
      const first = await agent.told("beats", 5);
      await Bun.sleep(EVERY_MS / 2);
      const before = await count();
      const last = await agent.told("beats", first + BEATS);
      await Bun.sleep(EVERY_MS / 2);
      const after = await count();
      const each = (after.bytes - before.bytes) / (last - first);
      const packets = (after.packets - before.packets) / (last - first);
      // What a provider counts begins with IP; Ethernet's 14 bytes a packet stay on the wire of the site.
      const ip = each - 14 * packets;
      return [
        row({
          what,
          unit: "MB",
          ours: spread([(each * HELLOS_A_DAY) / 1e6]),
          target: { of: "ours", limit: "at most", value: MB_A_DAY },
          note: `${each.toFixed(0)} bytes a hello and its answer as the interface counts them, TLS and acknowledgements among them, in ${packets.toFixed(2)} packets; without Ethernet's headers ${ip.toFixed(0)} bytes, ${((ip * HELLOS_A_DAY) / 1e6).toFixed(2)} MB a day`,
        }),
      ];
    });
  } finally {
    await ip("netns", "del", here);
    await ip("netns", "del", there);
  }
}

async function cpu(cert: string, key: string): Promise<Row[]> {
  const port = freePort();
  return withPeers(async (start) => {
    const conductor = start(["conductor", "127.0.0.1", String(port), cert, key]);
    await conductor.told("ready");
    const agents = start(["agents", `wss://127.0.0.1:${port}/link`, cert, String(BUSY_LINKS), "0"]);
    await agents.told("up", BUSY_LINKS);
    const ours: number[] = [];
    const theirs: number[] = [];
    for (let round = 0, beats = 0; round < 6; round += 1) {
      const before = [cpuMs(conductor.pid), cpuMs(agents.pid)] as const;
      for (let beat = 0; beat < BUSY_ROUNDS; beat += 1) {
        beats += BUSY_LINKS;
        agents.write("beat\n");
        await agents.told("beats", beats);
      }
      // The first warms up.
      if (round === 0) continue;
      const each = 1000 / (BUSY_LINKS * BUSY_ROUNDS);
      ours.push((cpuMs(conductor.pid) - before[0]) * each);
      theirs.push((cpuMs(agents.pid) - before[1]) * each);
    }
    return [
      row({
        what: "CPU of a hello on a link over TLS, conductor",
        unit: "us",
        ours: spread(ours),
        note: `${BUSY_LINKS} links at once, a handler that answers the same`,
      }),
      row({ what: "CPU of a hello on a link over TLS, agent", unit: "us", ours: spread(theirs) }),
    ];
  });
}

async function storm(cert: string, key: string): Promise<Row[]> {
  const port = freePort();
  return withPeers(async (start) => {
    const conductor = start(["conductor", "127.0.0.1", String(port), cert, key]);
    await conductor.told("ready");
    await Bun.sleep(1000);
    const before = { cpu: cpuMs(conductor.pid), rss: memoryMb(conductor.pid).rss };
    const since = performance.now();
    const each = LINKS / CLIENTS;
    const clients = Array.from({ length: CLIENTS }, () =>
      start(["agents", `wss://127.0.0.1:${port}/link`, cert, String(each), "0"]),
    );
    await Promise.all(clients.map((client) => client.told("up", each)));
    const seconds = (performance.now() - since) / 1000;
    const cpu = (cpuMs(conductor.pid) - before.cpu) / 1000;
    await Bun.sleep(5000);
    const rss = memoryMb(conductor.pid).rss;
    const what = `${LINKS} links connecting over TLS`;
    return [
      row({
        what: `${what}, conductor's CPU`,
        unit: "s",
        ours: spread([cpu]),
        note: "TLS, upgrade, a challenge signed with Ed25519, and the first hello",
      }),
      row({
        what: `${what}, until all are up`,
        unit: "s",
        ours: spread([seconds]),
        note: `${CLIENTS} processes that dial share the machine's cores`,
      }),
      row({
        what: `${what}, conductor's memory each`,
        unit: "kB",
        ours: spread([((rss - before.rss) * 1000) / LINKS]),
        note: `${before.rss.toFixed(0)} MB before, ${rss.toFixed(0)} MB 5 s after the last`,
      }),
    ];
  });
}
