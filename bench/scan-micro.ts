// `bun bench/scan-micro.ts SYSFS [RUNS]`: how long a full scan takes in this process, median and best.
import { scanPci } from "../src/pci/sysfs/scan.ts";

const [sysfs = "/sys", runs = "21"] = process.argv.slice(2);
const times: number[] = [];
let functions = 0;
for (let run = 0; run < Number(runs); run++) {
  const start = performance.now();
  functions = scanPci({ sysfs }).functions.length;
  times.push(performance.now() - start);
}
const first = times[0] ?? 0;
times.sort((a, b) => a - b);
const median = times[times.length >> 1] ?? 0;
console.log(
  `${functions} functions: median ${median.toFixed(3)} best ${times[0]?.toFixed(3)} first ${first.toFixed(3)} ms`,
);
