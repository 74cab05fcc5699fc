// Loaded into a conductor with `bun --preload`: how long its event loop was blocked. A timer is due every 5 ms; each 100 ms a
// line of the file in BENCH_PROBE says until when (epoch, ms), and the longest delay of one.
import { closeSync, openSync, writeSync } from "node:fs";

const EVERY_MS = 5;
const path = process.env.BENCH_PROBE;
if (path) {
  const file = openSync(path, "a");
  let longest = 0;
  let last = performance.now();
  let told = last;
  const look = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last - EVERY_MS);
    last = now;
    if (now - told >= 100) {
      writeSync(file, `${Math.round(performance.timeOrigin + now)} ${longest.toFixed(1)}\n`);
      told = now;
      longest = 0;
      last = performance.now();
    }
    setTimeout(look, EVERY_MS).unref();
  };
  setTimeout(look, EVERY_MS).unref();
  process.on("exit", () => closeSync(file));
}
