import { connect, createServer, type Socket } from "node:net";

/** Between two that talk by TCP: hears everything, and changes a byte of what the dialler says when told to. */
export async function eavesdrop(port: number) {
  const heard: Buffer[] = [];
  const open = new Set<Socket>();
  let connections = 0;
  let tamper = false;
  const server = createServer((near) => {
    connections += 1;
    const far = connect(port, "127.0.0.1");
    for (const socket of [near, far]) {
      open.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        open.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    near.on("data", (bytes) => {
      const said = Buffer.from(bytes);
      heard.push(said);
      if (tamper) {
        tamper = false;
        const at = said.length - 1;
        said[at] = (said[at] ?? 0) ^ 1;
      }
      far.write(said);
    });
    far.on("data", (bytes) => {
      heard.push(Buffer.from(bytes));
      near.write(bytes);
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  return {
    port: typeof address === "object" && address ? address.port : 0,
    /** All that went over it, in both directions. */
    heard: () => Buffer.concat(heard).toString("latin1"),
    connections: () => connections,
    tamper: () => {
      tamper = true;
    },
    close() {
      for (const socket of open) socket.destroy();
      server.close();
    },
  };
}
