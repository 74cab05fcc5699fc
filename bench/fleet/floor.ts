// `bun bench/fleet/floor.ts PORT FILE`: a Bun.serve that reads the body of each request and answers with the answer in FILE,
// {"headers": [...], "body": "..."}, and does nothing else: what no program on this runtime goes below.
import { readFileSync } from "node:fs";

const [port = "0", file = ""] = process.argv.slice(2);
const { headers, body }: { headers: [string, string][]; body: string } = JSON.parse(readFileSync(file, "utf8"));
Bun.serve({
  hostname: "127.0.0.1",
  port: Number(port),
  async fetch(request) {
    await request.text();
    return new Response(body, { headers });
  },
});
