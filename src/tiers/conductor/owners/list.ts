import type { ConductorList } from "../../../contract/fleet/conductor.ts";
import { allConductors, nodesByOwner } from "../../../db/queries/fleet/owners.ts";
import type { Fleet } from "../fleet.ts";

/** The conductors of a database, as one of them sees them. */
export async function listConductors({ db, presence }: Pick<Fleet, "db" | "presence">): Promise<ConductorList> {
  const revision = await db.revision();
  const [rows, counts] = [await allConductors(db.read), await nodesByOwner(db.read)];
  return {
    revision,
    conductors: rows.map(({ id, name, endpoint, version, started_at, leaving }) => ({
      ...{ id, name, endpoint, version, started_at },
      state: leaving ? "LEAVING" : presence.isSilent(id) ? "SILENT" : "ALIVE",
      nodes: counts.get(id) ?? 0,
    })),
  };
}
