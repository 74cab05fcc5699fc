import { readFile, rename } from "node:fs/promises";
import { replaceFile } from "../disk.ts";
import type { Log, Store } from "../world.ts";
import { codeOf, reasonOf } from "./exit.ts";

/**
 * A Store in one JSON file. What `save` resolved for is there after a kill or a power failure at any moment: the old
 * document or the new one, never a half. A file that is no JSON is set aside with a warning and `load` gives null,
 * as for no file: losing what was remembered is better than never starting again.
 */
export function fileStore(path: string, log: Log): Store {
  // One write at a time; a save that waits behind another is replaced by a newer one that waits too.
  let running: Promise<void> | null = null;
  let waiting: { text: string; done: Promise<void> } | null = null;

  function save(text: string): Promise<void> {
    if (waiting) {
      waiting.text = text;
      return waiting.done;
    }
    const before = running;
    const next = { text, done: Promise.resolve() };
    next.done = (async () => {
      await before?.catch(() => {});
      waiting = null;
      running = replaceFile(path, next.text);
      await running;
    })();
    waiting = next;
    return next.done;
  }

  async function setAside(why: string): Promise<void> {
    const aside = `${path}.corrupt`;
    const moved = await rename(path, aside).then(
      () => `it is set aside as ${aside}`,
      (failed) => `it could not be set aside: ${reasonOf(failed)}`,
    );
    log("warn", `${path} is ${why}; ${moved}`);
  }

  return {
    setAside,
    async load() {
      let text: string;
      try {
        text = await readFile(path, "utf8");
      } catch (error) {
        if (codeOf(error) === "ENOENT") return null;
        throw error;
      }
      try {
        return JSON.parse(text) as unknown;
      } catch (error) {
        await setAside(`no JSON document: ${reasonOf(error)}`);
        return null;
      }
    },
    save: async (document) => save(`${JSON.stringify(document)}\n`),
  };
}
