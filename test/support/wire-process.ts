// Peers that break HTTP itself: `/NAME/hardware` is answered by the one of that name, byte for byte.
const GOOD = '{"hardware":[]}';
const OK = "HTTP/1.1 200 OK\r\n";
const LENGTH = `content-length: ${GOOD.length}\r\n\r\n${GOOD}`;
const lines = (count: number) => Array.from({ length: count }, (_, at) => `x-${at}: 1\r\n`).join("");

/** What is sent first, and what is sent again and again until the caller hangs up. */
const PEERS: Record<string, readonly [first: string, endless?: string]> = {
  "headers-without-end": [OK, `x-a: ${"y".repeat(1000)}\r\n`],
  "one-header-without-end": [`${OK}x-a: `, "y".repeat(1000)],
  "a-status-line-without-end": ["HTTP/1.1 200 ", "y".repeat(1000)],
  "continues-without-end": ["", "HTTP/1.1 100 Continue\r\n\r\n"],
  "hints-without-end": ["", "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"],
  "trailers-without-end": [
    `${OK}transfer-encoding: chunked\r\n\r\nf\r\n${GOOD}\r\n0\r\n`,
    `x-t: ${"y".repeat(1000)}\r\n`,
  ],
  "a-chunk-extension-without-end": [`${OK}transfer-encoding: chunked\r\n\r\nf;`, "y".repeat(1000)],
  "a-chunk-size-without-end": [`${OK}transfer-encoding: chunked\r\n\r\n`, "0".repeat(1000)],
  "thousands-of-headers": [`${OK}${lines(5000)}${LENGTH}`],
  "two-lengths": [`${OK}content-length: 3\r\n${LENGTH}`],
  "a-negative-length": [`${OK}content-length: -1\r\n\r\n${GOOD}`],
  "a-length-beyond-numbers": [`${OK}content-length: 99999999999999999999\r\n\r\n${GOOD}`],
  "another-protocol": ["HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n"],
  "a-body-with-204": [`HTTP/1.1 204 No Content\r\n${LENGTH}`],
  "a-body-with-205": [`HTTP/1.1 205 Reset Content\r\n${LENGTH}`],
  "a-cookie-and-a-second-answer": [`${OK}set-cookie: sid=stolen; path=/\r\n${LENGTH}${OK}${LENGTH}`],
};

interface State {
  send?: () => void;
}

const server = Bun.listen<State>({
  hostname: "127.0.0.1",
  port: 0,
  socket: {
    open(socket) {
      socket.data = {};
    },
    data(socket, bytes) {
      const name = /^GET \/([\w-]+)\/hardware/.exec(bytes.toString())?.[1] ?? "";
      const [first, endless] = PEERS[name] ?? [];
      if (first === undefined) return void socket.end("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
      socket.write(first);
      if (endless === undefined) return;
      const piece = endless.repeat(60);
      socket.data.send = () => {
        for (let left = 2; left > 0; left -= 1) if (socket.write(piece) < piece.length) return;
        setTimeout(() => socket.data.send?.(), 10);
      };
      socket.data.send();
    },
    drain: (socket) => socket.data.send?.(),
    close(socket) {
      socket.data = {};
    },
    error() {},
  },
});
console.log(JSON.stringify({ url: `http://127.0.0.1:${server.port}`, names: Object.keys(PEERS) }));
