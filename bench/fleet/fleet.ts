import { type Row, row } from "../measure.ts";

export interface Options {
  agents: number;
  db: ("sqlite" | "postgres")[];
}

const INSIDE = new URL("./inside.ts", import.meta.url).pathname;

/** Ten thousand agents and their conductor: what an issue of this project promised, in one run. */
export async function fleet(options: Options): Promise<Row[]> {
  for (const program of ["unshare", "ip", "taskset"])
    if (!Bun.which(program)) return [row({ what: "fleet", unit: "", note: `not measured: no ${program} here` })];
  // Who is not root is it in a namespace of users, with their own name all the same: PostgreSQL refuses root.
  const own =
    process.getuid?.() === 0
      ? ["unshare", "--net"]
      : ["unshare", "--net", "--user", "--map-current-user", "--keep-caps"];
  const child = Bun.spawn([...own, process.execPath, INSIDE, JSON.stringify(options)], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  const [text, status] = await Promise.all([new Response(child.stdout).text(), child.exited]);
  if (status === 0) return JSON.parse(text);
  return [
    row({
      what: "fleet",
      unit: "",
      note: `not measured: it takes a network namespace of its own (root, or user namespaces); exited ${status}`,
    }),
  ];
}
