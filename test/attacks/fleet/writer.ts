import { openDatabase } from "../../../src/db/database.ts";
import { getNode } from "../../../src/db/queries/nodes.ts";
import { writeReports } from "../../../src/tiers/conductor/inventory/report.ts";
import { nth, source, taking } from "../../tiers/conductor/inventory/support.ts";

// A process that takes in reports at random until it is killed: URL, first random number.
const [url = "", seed = "1"] = process.argv.slice(2);
let state = Number(seed);
const random = (below: number) => {
  state = (state * 48_271) % 2_147_483_647;
  return state % below;
};
const db = await openDatabase(url);
for (let turn = 0; ; turn += 1) {
  const takings = [];
  for (let n = random(3); n < 6; n += 2) {
    const uuids = [0, 1, 2, 3, 4].filter(() => random(3) > 0).map((index) => nth(index, n));
    const from = (await getNode(db.read, nth(n)))?.generation ?? null;
    const sources = [source("gpu", random(4) === 0 ? "STALE" : "OK", uuids.length)];
    takings.push(taking(n, { uuids, from, generation: `${seed} ${turn}`, name: `card ${random(5)}`, sources }));
  }
  await writeReports(db, takings);
}
