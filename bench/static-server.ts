// `bun bench/static-server.ts PORT [FILE]`: a Bun.serve that answers everything with one file's bytes, and does nothing else.
import { readFileSync } from "node:fs";

const [port = "0", file] = process.argv.slice(2);
const body = file === undefined ? "ok" : readFileSync(file);
const headers = { "content-type": "application/json" };
Bun.serve({ hostname: "127.0.0.1", port: Number(port), fetch: () => new Response(body, { headers }) });
