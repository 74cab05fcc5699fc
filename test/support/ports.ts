/**
 * A TCP port of loopback that nobody has, for a program that is told its port. Not one that the system gives: it would
 * give the same one to whoever asks next, or to a connection that goes out, before the program has it
 * (net.ipv4.ip_local_port_range begins at 32768).
 */
export function freePort(): number {
  for (let tries = 0; tries < 1_000; tries++) {
    const port = 10_240 + Math.floor(Math.random() * (32_768 - 10_240));
    try {
      const server = Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } });
      server.stop(true);
      return port;
    } catch {
      // Somebody has it: another one.
    }
  }
  throw new Error("no free port below 32768");
}
