import { Exit, reasonOf } from "../exit.ts";

/** What one look has found; `mend`: the command, or the step, that mends it. */
export interface Finding {
  check: string;
  status: "ok" | "warning" | "failed";
  message: string;
  mend: string | null;
}

export const good = (check: string, message: string): Finding => ({ check, status: "ok", message, mend: null });
export const warning = (check: string, message: string, mend: string): Finding => ({
  ...{ check, status: "warning", message, mend },
});
export const failed = (check: string, message: string, mend: string | null): Finding => ({
  ...{ check, status: "failed", message, mend },
});

/** Looks; what stops the look is a finding, too. */
export async function look(check: string, work: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await work();
  } catch (error) {
    const message = error instanceof Exit ? error.message : `it could not be looked at: ${reasonOf(error)}`;
    return [failed(check, message, null)];
  }
}
