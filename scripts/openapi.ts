/**
 * Writes docs/api/MAJOR.MINOR/ROLE.json, the frozen description of the API: `bun scripts/openapi.ts`.
 * `--check` changes nothing and exits 1 when /doc says something else.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { API_VERSION } from "../src/contract/version.ts";
import { createAgent, createConductor, createDriver, openDatabase } from "../src/index.ts";

/** Where the frozen document of a role is. */
export const frozenPath = (role: string) => join(import.meta.dir, "..", "docs", "api", API_VERSION, `${role}.json`);

/** What each role answers at /doc now, as the text that the frozen files hold. */
export async function describedNow(): Promise<{ role: string; text: string }[]> {
  const folder = await mkdtemp(join(tmpdir(), "sinew-openapi-"));
  const db = await openDatabase(`sqlite:${join(folder, "sinew.sqlite")}`);
  try {
    const tiers = [
      await createDriver({ auth: "open", name: "crypto", type: "CRYPTO", discover: async () => [] }),
      await createAgent({ auth: "open", node: { id: "00000000-0000-0000-0000-000000000000", name: "any" } }),
      await createConductor({ auth: "open", db }),
    ];
    return await Promise.all(
      tiers.map(async (tier) => {
        const answer = await tier.fetch(new Request("http://localhost/doc"));
        return { role: tier.role, text: `${JSON.stringify(await answer.json(), null, 2)}\n` };
      }),
    );
  } finally {
    await db.close();
    await rm(folder, { recursive: true });
  }
}

if (import.meta.main) {
  const check = process.argv.includes("--check");
  for (const { role, text } of await describedNow()) {
    const path = frozenPath(role);
    if (!check) {
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, text);
    } else if ((await readFile(path, "utf8")) !== text) {
      console.error(
        `${path} is not what /doc says: an addition needs \`bun scripts/openapi.ts\`, a change a new version`,
      );
      process.exitCode = 1;
    }
  }
}
