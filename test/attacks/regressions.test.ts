import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { databases } from "../support/databases.ts";
import { until } from "../support/process.ts";
import { askToJoin, makeLab, newKey, type Started } from "./support.ts";

// Holes that a review found once; each was open before its line here was written.
describe.each(databases)("on $name", ({ name, open }) => {
  const lab = makeLab();
  let database: Awaited<ReturnType<typeof open>>;
  let conductor: Started;

  beforeAll(async () => {
    database = await open();
    conductor = await lab.startConductor("c", ["--db", database.url, "--lease", "1"]);
  });
  afterAll(async () => {
    await lab.close();
    await database.close();
  });

  test("a stranger's path that no database stores does not end the audit trail", async () => {
    for (const path of ["/a%00b", `/${"a".repeat(254)}%F0%9F%98%80`, "/%ff"])
      expect(await lab.status(conductor, path, { token: "x.y" })).toBe(401);
    const { id } = await lab.makeToken(conductor, { role: "viewer", name: "after it" });
    await until(async () => {
      const { audit } = (await (await lab.ask(conductor, "/audit")).json()) as {
        audit: { path: string; status: number }[];
      };
      return audit.some(({ path, status }) => path === "/tokens" && status === 201);
    });
    expect(await lab.status(conductor, `/tokens/${id}`, { method: "DELETE" })).toBe(204);
  });

  test("a node that was away is still away after somebody has tried to be it", async () => {
    const invitation = (await lab.makeToken(conductor, { role: "agent" })).join ?? "";
    const agent = await lab.start("agent", "away", ["--drivers", "none", "--node", "away", "--join", invitation]);
    const away = async () => (await lab.nodes(conductor)).find(({ name }) => name === "away");
    await until(async () => (await away())?.state === "LIVE");
    expect(await agent.stop("SIGTERM")).toBe(0);
    await until(async () => (await away())?.state === "LEFT");
    const { id = "" } = (await away()) ?? {};
    const { credential } = await lab.makeToken(conductor, { role: "agent" });
    const answer = await askToJoin(lab, conductor, credential, { id, name: "away", key: await newKey() });
    expect(answer.status).toBe(409);
    // Longer than two leases of its silence.
    for (const end = performance.now() + 3000; performance.now() < end; await Bun.sleep(200))
      expect((await away())?.state).toBe("CONFLICT");
  }, 30_000);

  test.if(name === "postgres")(
    "a node is not LOST to a conductor that another one hears it by",
    async () => {
      const other = await lab.startConductor("d", ["--db", database.url, "--lease", "1"]);
      const invitation = (await lab.makeToken(conductor, { role: "agent" })).join ?? "";
      await lab.start("agent", "heard", ["--drivers", "none", "--node", "heard", "--join", invitation]);
      const heard = async (at: Started) => (await lab.nodes(at)).find((node) => node.name === "heard")?.state;
      await until(async () => (await heard(other)) === "LIVE");
      const again = await other
        .stop("SIGTERM")
        .then(() => lab.startConductor("d", ["--db", database.url, "--lease", "1"]));
      for (const end = performance.now() + 4000; performance.now() < end; await Bun.sleep(200))
        for (const at of [conductor, again]) expect(await heard(at)).not.toBe("LOST");
    },
    30_000,
  );

  test("a token's name that no database stores is refused by its schema", async () => {
    const answer = await lab.ask(conductor, "/tokens", { body: { role: "viewer", name: "a\0b" } });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ errors: [{ pointer: "/name" }] });
  });
});
