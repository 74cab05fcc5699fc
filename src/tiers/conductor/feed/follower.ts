import type { ChangeFilter } from "../../../db/queries/changes.ts";

/** Who follows. Two of one name hold the same credential. */
export interface Reader {
  name: string;
  /** Whether the credential is still good; without it nothing can be taken back. */
  may?: (() => Promise<boolean>) | undefined;
}

export interface Follower {
  /** Null: nobody knows. */
  reader: Reader | null;
  /** What it has been given. */
  at: number;
  /** Null: all is asked for. */
  filter: ChangeFilter | null;
  since: number;
  /** It has met the pages that all share; until then it reads by itself. */
  met: boolean;
  ended: boolean;
  /** Set while it waits for more. */
  wake: (() => void) | null;
  keepAlive: boolean;
  close: () => void;
}
