import type { Log } from "../world.ts";
import { printable } from "./text.ts";

/** Logs as text or as JSON lines, through `write`: stderr, because stdout is what people read. */
export function createLog(options: { format: "text" | "json"; write: (line: string) => void; now: () => Date }): Log {
  return (level, message, fields = {}) => {
    const time = options.now().toISOString();
    if (options.format === "json") {
      options.write(`${JSON.stringify({ time, level, message, ...plain(fields) })}\n`);
      return;
    }
    const tail = Object.entries(plain(fields)).map(
      ([key, value]) => ` ${key}=${printable(JSON.stringify(value) ?? "null")}`,
    );
    options.write(`${time} ${level.padEnd(5)} ${printable(message)}${tail.join("")}\n`);
  };
}

// JSON.stringify makes `{}` of an Error.
const plain = (fields: Record<string, unknown>) =>
  Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [key, value instanceof Error ? value.message : value]),
  );
