import { expect, test } from "bun:test";
import { join } from "node:path";
import { faultNames } from "./faults.ts";
import { Simulation } from "./simulation.ts";

const main = join(import.meta.dir, "main.ts");

test("One seed gives one history, to the last byte, and another seed another one", async () => {
  const history = async (seed: number, turns = 1) => {
    const settings = {
      seed,
      nodes: 5,
      hours: 0.06,
      conductors: 2,
      leaseSeconds: 10,
      links: 0.7,
      turns,
      faults: faultNames,
      keepAll: true,
    };
    const { journal, violations } = await new Simulation(settings).run();
    return { text: journal.join("\n"), violations };
  };
  const first = await history(7);
  expect(first.violations).toEqual([]);
  expect(first.text).toContain("FAULT");
  expect(first.text).toContain("COMPARED");
  expect((await history(7)).text).toBe(first.text);
  // Nothing of it depends on how long anything takes in truth.
  expect((await history(7, 4)).text).toBe(first.text);
  expect((await history(8)).text).not.toBe(first.text);
}, 120_000);

test("What is asked for wrongly is refused with what was expected", async () => {
  for (const args of [["--seed", "x"], ["--faults", "rain"], ["--unknown"]]) {
    const child = Bun.spawn([process.execPath, main, ...args], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
    const [, err] = await Promise.all([child.exited, new Response(child.stderr).text()]);
    expect(child.exitCode).toBe(2);
    expect(err).toStartWith("simulate: ");
  }
});
