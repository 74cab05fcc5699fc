import { expect, test } from "bun:test";
import { join } from "node:path";
import { MUTATIONS } from "../../simulate/mutations.ts";

const simulate = join(import.meta.dir, "../../simulate");

test.each(Object.entries(MUTATIONS))(
  "The simulation finds that %s",
  async (name, { faults, found }) => {
    const child = Bun.spawn(
      [
        ...[
          process.execPath,
          "--preload",
          join(simulate, "mutate.ts"),
          join(simulate, "main.ts"),
          "--until-failed",
          "--jobs",
          "1",
        ],
        ...[
          "--seed",
          "1",
          "--seeds",
          "40",
          "--nodes",
          "5",
          "--hours",
          "0.5",
          "--lease",
          "10",
          "--conductors",
          "1",
          "--faults",
          faults,
        ],
      ],
      { env: { ...process.env, SINEW_MUTATION: name }, stdin: "ignore", stdout: "pipe", stderr: "pipe" },
    );
    const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    await child.exited;
    expect(err).toBe("");
    expect(out).toContain(found);
    expect(out).toMatch(/\d+ passed, 1 failed\n$/);
  },
  180_000,
);
