import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import type { Database } from "../../../src/db/database.ts";
import { createPatience, type Patience } from "../../../src/db/postgres/patience.ts";
import { openPostgres } from "../../../src/db/postgres/postgres.ts";
import { metaOf, setMeta } from "../../../src/db/queries/changes.ts";
import { databases, type TestDatabase } from "../../support/databases.ts";
import { until } from "../../support/tiers.ts";

describe("patience with a server", () => {
  let server: Server;
  let patience: Patience;
  let far: Socket[];
  let closed: string[];
  const connect = async (name: string) => {
    const { port } = server.address() as { port: number };
    const before = far.length;
    const socket = patience.socket({ host: ["127.0.0.1"], port: [port] });
    socket.on("error", (error: Error & { code: string }) => void closed.push(`${name} ${error.code}`));
    socket.on("data", () => {});
    await until("a connection", async () => far.length > before);
    return far[before] as Socket;
  };
  beforeEach(async () => {
    far = [];
    closed = [];
    patience = createPatience({ tickMs: 5, silentMs: 200 });
    server = createServer((socket) => {
      socket.on("error", () => {});
      far.push(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  });
  afterEach(() => {
    patience.close();
    for (const socket of far) socket.destroy();
    server.close();
  });

  test("ends for the connections that say nothing while it is asked something, not for one that speaks", async () => {
    const speaking = await connect("speaking");
    await connect("silent");
    const word = setInterval(() => speaking.write("."), 20);
    const answered = patience.waiting();
    await until("the silent one", async () => closed.length > 0);
    // As long again, and longer.
    await Bun.sleep(500);
    clearInterval(word);
    answered();
    expect(closed).toEqual(["silent ETIMEDOUT"]);
  });

  test("does not end while nothing is asked, however long, or what is asked is answered", async () => {
    await connect("one");
    await Bun.sleep(300);
    for (let asked = 0; asked < 30; asked += 1) {
      const answered = patience.waiting();
      await Bun.sleep(20);
      answered();
    }
    expect(closed).toEqual([]);
  });
});

/** The server's process, and those that it has for each connection. */
function processesOf(backend: number): number[] {
  const parentOf = (pid: string | number) =>
    Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
  const server = parentOf(backend);
  const all = readdirSync("/proc").filter((name) => {
    try {
      return /^\d+$/.test(name) && parentOf(name) === server;
    } catch {
      return false; // it has ended meanwhile
    }
  });
  return [server, ...all.map(Number)];
}

describe.each(databases.filter(({ name }) => name === "postgres"))(
  "a $name server that does not answer",
  ({ open }) => {
    let database: TestDatabase;
    let db: Database;
    let stopped: number[];
    const stop = async () => {
      const [[pid] = []] = await db.read.run("SELECT pg_backend_pid()", []);
      stopped = processesOf(Number(pid));
      for (const one of stopped) process.kill(one, "SIGSTOP");
    };
    const goOn = () => {
      for (const one of stopped) process.kill(one, "SIGCONT");
      stopped = [];
    };
    const put = (value: string) => db.write((tx) => setMeta(tx, "said", value));
    const said = () => metaOf(db.read, "said");
    const UNAVAILABLE = { code: "unavailable" };

    beforeEach(async () => {
      stopped = [];
      database = await open();
      db = await openPostgres(database.url, { statementMs: 1_000, silentMs: 2_000, tickMs: 50 });
    });
    afterEach(async () => {
      goOn();
      await db.close();
      await database.close();
    });

    test("is unavailable to who asks, and is asked again when it is back", async () => {
      await put("before");
      await Promise.all([said(), said(), put("x"), put("y")]);
      await stop();
      const asked = await Promise.allSettled([said(), put("z")]);
      expect(asked).toMatchObject([{ reason: UNAVAILABLE }, { reason: UNAVAILABLE }]);
      goOn();
      await until("an answer", () => said().catch(() => null));
      await put("after");
      expect(await said()).toBe("after");
    });

    test("nothing is done twice that it may have done", async () => {
      let runs = 0;
      const writing = db.write(async (tx) => {
        runs += 1;
        await setMeta(tx, "said", `run ${runs}`);
        await stop();
      });
      await expect(writing).rejects.toMatchObject(UNAVAILABLE);
      goOn();
      await until("an answer", () =>
        put("later")
          .catch(() => null)
          .then(() => said()),
      );
      expect(runs).toBe(1);
    });

    test("a statement that waits for another's is given up, and the other one takes the time that it takes", async () => {
      await put("before");
      const waiting = Promise.withResolvers<void>();
      const long = db.write(async (tx) => {
        await setMeta(tx, "said", "slowly");
        waiting.resolve();
        // Longer than any one statement may take, and than a server may be silent.
        for (let step = 0; step < 25; step += 1) {
          await Bun.sleep(100);
          await metaOf(tx, "said");
        }
      });
      await waiting.promise;
      const other = Promise.allSettled([put("meanwhile")]);
      expect(await said()).toBe("before");
      expect(await other).toMatchObject([{ reason: UNAVAILABLE }]);
      await long;
      expect(await said()).toBe("slowly");
    });
  },
);
