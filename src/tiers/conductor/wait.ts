import type { World } from "../../world.ts";

/** A wait of one worker, which can be cut short. */
export interface Wait {
  for(ms: number): Promise<void>;
  /** Ends the wait under way; without one it does nothing. */
  end(): void;
}

export function createWait({ timer }: Pick<World, "timer">): Wait {
  let end = () => {};
  return {
    for: (ms) =>
      new Promise((resume) => {
        const cancel = timer(ms, resume);
        end = () => {
          cancel();
          resume();
        };
      }),
    end: () => end(),
  };
}
