import type { Alarm, AlarmList } from "../../../contract/fleet/alarm.ts";
import type { NewWindow, Window } from "../../../contract/fleet/window.ts";
import { SinewError } from "../../../contract/problem.ts";
import { type AlarmFilter, getAlarm, listAlarms, lockAlarms } from "../../../db/queries/fleet/alarms.ts";
import { addWindow, deleteWindow, listWindows } from "../../../db/queries/fleet/windows.ts";
import type { World } from "../../../world.ts";
import { type Paging, positionOf } from "../paging.ts";
import type { Context } from "./apply.ts";
import { commit } from "./commit.ts";
import { bodyOf, toAlarm } from "./rows.ts";

/** What people ask and say of alarms. */
export interface Alarms {
  /** Newest first. Throws SinewError invalid for a page_token that is none of this list. */
  list(filter: AlarmFilter, paging: Paging): Promise<AlarmList>;
  /** Throws SinewError not_found. */
  get(id: string): Promise<Alarm>;
  /** `comment` null: taken back. Throws SinewError not_found where no alarm with this id fires. */
  acknowledge(id: string, said: { by: string; comment: string | null } | null): Promise<Alarm>;
  windows(): Promise<Window[]>;
  /** Throws SinewError invalid for one that is over before it begins, or is over. */
  addWindow(window: NewWindow, by: string): Promise<Window>;
  /** False: there is none. */
  deleteWindow(id: string): Promise<boolean>;
}

const badEnd = (detail: string) =>
  new SinewError("invalid", `ends_at: ${detail}`, { errors: [{ pointer: "/ends_at", detail }] });

export function createAlarms({ db, world }: Pick<Context, "db"> & { world: World }): Alarms {
  const now = () => world.now().toISOString();
  const fires = (id: string) => new SinewError("not_found", `no alarm with id ${id} fires`);

  return {
    async list(filter, { limit, page_token }) {
      const before = positionOf(page_token);
      // Before the rows: whoever goes on with the feed from here may see a change twice, never miss one.
      const revision = await db.revision();
      const rows = await listAlarms(db.read, filter, { before, limit: limit + 1 });
      const page = rows.slice(0, limit);
      const last = rows.length > limit ? page.at(-1) : undefined;
      return { alarms: page.map(toAlarm), revision, ...(last ? { next_page_token: String(last.position) } : {}) };
    },
    async get(id) {
      const row = await getAlarm(db.read, id.toLowerCase());
      if (!row) throw new SinewError("not_found", `no alarm has id ${id}`);
      return toAlarm(row);
    },
    acknowledge: (id, said) =>
      db.write(async (tx) => {
        await lockAlarms(tx);
        const found = await getAlarm(tx, id.toLowerCase());
        if (found?.state !== "firing") throw fires(id);
        const { position: _, ...row } = found;
        const before = bodyOf(row);
        // Whoever says nothing more leaves what is known of it.
        const comment = said?.comment ?? before.acknowledged?.comment ?? null;
        const at = now();
        const acknowledged = said && { at, by: said.by, comment };
        const next = { ...row, body: JSON.stringify({ ...before, acknowledged }) };
        const drafts = { rows: [{ row: next, notify: false }], dropped: [] };
        // At the time of its change: by that it is told from what else becomes of an alarm.
        await commit(tx, drafts, { epoch: db.epoch, now: at, targets: [] });
        return toAlarm(next);
      }),
    windows: () => listWindows(db.read),
    async addWindow({ starts_at, ends_at, matcher, comment = null }, by) {
      const window: Window = {
        ...{ id: world.uuid(), starts_at: starts_at ?? now(), ends_at, matcher, comment },
        ...{ created_by: by, created_at: now() },
      };
      const end = Date.parse(ends_at);
      if (end <= Date.parse(window.starts_at)) throw badEnd("expected a time after starts_at");
      if (end <= world.now().getTime()) throw badEnd("expected a time to come");
      await db.write((tx) => addWindow(tx, window));
      return window;
    },
    deleteWindow: (id) => db.write((tx) => deleteWindow(tx, id.toLowerCase())),
  };
}
