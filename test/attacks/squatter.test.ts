import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { sinew, until } from "../support/process.ts";
import { HOST, makeLab, type Started } from "./support.ts";

/** A conductor, an agent and a driver of one node: they share its state directory, and show each other passes. */
describe("whoever takes the port of an agent that died", () => {
  const lab = makeLab();
  /** Each Authorization header that came, and from whom as far as the request says. */
  const caught: { authorization: string; what: string }[] = [];
  let conductor: Started;
  let agent: Started;
  let squatter: Bun.Server<undefined>;

  const startAgent = () => lab.start("agent", "s", ["--drivers", "none", "--lease", "1", "--conductor", conductor.url]);

  beforeAll(async () => {
    conductor = await lab.start("conductor", "s", ["--lease", "1"]);
    agent = await startAgent();
    await lab.start("driver", "s", ["--driver", "gpu", "--snapshot", HOST, "--agent", agent.url]);
    await until(async () => (await lab.devices(conductor)).length > 0);
    const port = Number(new URL(agent.url).port);
    await agent.stop("SIGKILL");
    squatter = Bun.serve({
      hostname: "127.0.0.1",
      port,
      fetch(request) {
        const { pathname } = new URL(request.url);
        const shown = request.headers.get("authorization");
        if (shown !== null) caught.push({ authorization: shown, what: `${request.method} ${pathname}` });
        return Response.json({ status: "REGISTERED", hardware: [], sources: [], tokens: [] });
      },
    });
  });
  afterAll(async () => {
    await squatter.stop(true);
    await lab.close();
  });

  test("is shown something by its driver, its conductor and its operator", async () => {
    // The first one of each kind: a discovery, a hello, a command.
    await lab.ask(conductor, "/discovery", { method: "POST" });
    await sinew(["token", "list", "--state", lab.path("s"), "--url", squatter.url.origin]);
    const from = () => caught.map(({ what }) => what);
    await until(
      () =>
        from().includes("POST /hello") &&
        from().includes("GET /tokens") &&
        from().some((one) => /discovery|hardware/.test(one)),
    );
  });

  test("is shown nothing on another host: a command with its address wants a token for there", async () => {
    const command = sinew(["token", "list", "--state", lab.path("s"), "--url", "http://192.0.2.1:1336"]);
    await expect(command).rejects.toThrow("expected --token FILE for http://192.0.2.1:1336");
  });

  test("is not shown the operator token, nor anything that opens another door of the node", async () => {
    expect(caught.length).toBeGreaterThan(2);
    const again = await startAgent();
    for (const { authorization, what } of caught.slice(0, 9)) {
      expect(authorization).not.toContain(lab.operatorOf("s").split(".")[1] ?? "");
      const token = authorization.replace("Bearer ", "");
      for (const [at, path] of [
        [conductor, "/hardware"],
        [conductor, "/tokens"],
        [again, "/hardware"],
        [again, "/tokens"],
      ] as const)
        expect([what, at.url, [401, 429].includes(await lab.status(at, path, { token }))]).toEqual([
          what,
          at.url,
          true,
        ]);
    }
  });
});
