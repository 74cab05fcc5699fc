import { z } from "zod";
import { text } from "../text.ts";
import { AlarmKind } from "./alarm.ts";
import { Labels } from "./labels.ts";

const time = z.iso.datetime({ offset: true });
const window = {
  starts_at: time,
  ends_at: time,
  matcher: z
    .strictObject({
      node: text(253).optional().meta({ description: "Its id or name" }),
      labels: Labels.optional().meta({ description: "All of these the node has" }),
      kind: AlarmKind.optional(),
    })
    .meta({ description: "What it has to be, all of it; nothing: every alarm" }),
  comment: text(1024).nullable().optional(),
};

/** Maintenance: what it matches is shown as silenced meanwhile, and nobody is told. */
export const Window = z
  .object({ id: z.guid(), ...window, comment: z.string().nullable(), created_by: z.string(), created_at: time })
  .meta({ id: "Window" });
export type Window = z.infer<typeof Window>;

export const WindowList = z.object({ windows: z.array(Window) }).meta({ id: "WindowList" });
export type WindowList = z.infer<typeof WindowList>;

export const NewWindow = z
  .strictObject({ ...window, starts_at: time.optional().meta({ description: "Default: now" }) })
  .meta({ id: "NewWindow" });
export type NewWindow = z.infer<typeof NewWindow>;
