import type { Change } from "../../src/contract/change.ts";

/** What was promised to callers, and has to be there ever after. All times on one clock. */
export class Acknowledged {
  readonly violations: string[] = [];
  readonly #promised = new Map<string, number>();
  readonly #changes = new Map<number, string>();

  /** The answer that says so has come: `what` is a node, a driver of an agent, an operation. */
  acknowledge(what: string, at: number): void {
    if (!this.#promised.has(what)) this.#promised.set(what, at);
  }

  /** What was taken back in a way that the caller asked for. */
  withdraw(what: string): void {
    this.#promised.delete(what);
  }

  /** A whole list of such things, asked for at `asked`. `of`: which promises it has to hold, by how they begin. */
  listed(of: string, there: ReadonlySet<string>, { asked, revision }: { asked: number; revision?: number }): void {
    for (const [what, at] of this.#promised) {
      if (!what.startsWith(of) || at >= asked || there.has(what)) continue;
      const where = revision === undefined ? "" : ` at revision ${revision}`;
      this.violations.push(
        `${what} was acknowledged at ${(at / 1000).toFixed(3)} s and is not there${where}, asked for at ${(asked / 1000).toFixed(3)} s`,
      );
    }
  }

  /** Somebody was shown this change: no other may ever have its revision. */
  change(change: Pick<Change, "revision">): void {
    const text = JSON.stringify(change);
    const before = this.#changes.get(change.revision);
    if (before === undefined) this.#changes.set(change.revision, text);
    else if (before !== text)
      this.violations.push(`revision ${change.revision} was shown as ${before}, and later as ${text}`);
  }

  /** The log as it is now, from `oldest` on: each change that anybody was shown is in it. */
  log(changes: readonly Pick<Change, "revision">[], oldest = 0): void {
    const there = new Map(changes.map((change) => [change.revision, JSON.stringify(change)]));
    for (const [revision, text] of this.#changes) {
      if (revision >= oldest && there.get(revision) !== text)
        this.violations.push(
          `revision ${revision} was shown as ${text}, and is ${there.get(revision) ?? "not there"} now`,
        );
    }
  }
}
