import type { Answer } from "./judge.ts";
import type { FuzzRequest } from "./request.ts";

/** One connection, for what fetch refuses to send: the bytes go out as they are. */
export interface Connection {
  /** Whatever came back until the other side closed, or `deadlineMs` after. */
  answers(deadlineMs: number): Promise<Answer[]>;
  close(): void;
}

export async function connect(url: string, bytes: Uint8Array | string): Promise<Connection> {
  const { hostname, port } = new URL(url);
  const received: Uint8Array[] = [];
  const closed = Promise.withResolvers<void>();
  let rest = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
  const send = (socket: Bun.Socket) => {
    rest = rest.subarray(Math.max(0, socket.write(rest)));
  };
  const socket = await Bun.connect({
    hostname,
    port: Number(port),
    socket: {
      open: send,
      drain: send,
      data: (_, chunk) => void received.push(new Uint8Array(chunk)),
      close: () => closed.resolve(),
      error: () => closed.resolve(),
    },
  });
  return {
    async answers(deadlineMs) {
      const timer = setTimeout(closed.resolve, deadlineMs);
      await closed.promise;
      clearTimeout(timer);
      socket.terminate();
      return parseAnswers(Buffer.concat(received));
    },
    close: () => socket.terminate(),
  };
}

/** The responses in what a server sent (RFC 9112), the last one perhaps cut short. */
function parseAnswers(bytes: Buffer): Answer[] {
  const answers: Answer[] = [];
  let rest = bytes;
  while (rest.length > 0) {
    const end = rest.indexOf("\r\n\r\n");
    if (end < 0) throw new Error(`expected a response, got ${JSON.stringify(rest.toString("latin1").slice(0, 200))}`);
    const [first = "", ...lines] = rest.toString("latin1", 0, end).split("\r\n");
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(first)?.[1]);
    if (!status) throw new Error(`expected a status line, got ${JSON.stringify(first.slice(0, 200))}`);
    const headers = new Headers(
      lines.map((line) => [line.split(":")[0] ?? "", line.slice(line.indexOf(":") + 1).trim()]),
    );
    const length = Number(headers.get("content-length") ?? 0);
    answers.push({ status, headers, text: rest.toString("utf8", end + 4, end + 4 + length) });
    rest = rest.subarray(end + 4 + length);
  }
  return answers;
}

/** A request as bytes, after which the server is to close. */
export function wire({ method, target, headers, body }: FuzzRequest): Uint8Array {
  const content = typeof body === "string" ? Buffer.from(body) : Buffer.from(body ?? []);
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const length = content.length > 0 ? `content-length: ${content.length}\r\n` : "";
  const head = `${method} ${target} HTTP/1.1\r\nhost: sinew\r\nconnection: close\r\n${length}${lines}\r\n`;
  return Buffer.concat([Buffer.from(head, "latin1"), content]);
}
