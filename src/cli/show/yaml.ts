import { yamlString } from "./json.ts";

type Plain = string | number | boolean | null | Plain[] | { [name: string]: Plain };

/** A word that is no number, boolean, null or base 60 to any reader of YAML 1.1 or 1.2. */
const KEY = /^(?!(?:y|n|yes|no|on|off|true|false|null)$)[a-z_][a-z0-9_]{0,127}$/;
/** YAML looks so far for the colon behind a name (1.2, 7.4.2); a longer one has a line of its own. */
const MOST_KEY = 1024;

/**
 * A JSON value as a YAML document in block style. Each string is quoted, as a string of JSON is one of YAML: to YAML 1.1, which most readers still speak,
 * `0000:00:02.0` without quotes is a number to the base of 60, and `1533` one to the base of 10.
 */
export const yaml = (value: unknown): string =>
  `${block(JSON.parse(JSON.stringify(value)) as Plain, "").trimStart()}\n`;

function block(value: Plain, indent: string): string {
  if (Array.isArray(value)) {
    if (value.length === 0) return " []";
    return value.map((one) => `\n${indent}- ${block(one, `${indent}  `).trimStart()}`).join("");
  }
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value);
    if (members.length === 0) return " {}";
    return members
      .map(([name, one]) => {
        const nested = Array.isArray(one) ? block(one, indent) : block(one, `${indent}  `);
        return `\n${indent}${keyText(name, indent)}:${nested}`;
      })
      .join("");
  }
  return ` ${typeof value === "string" ? yamlString(value) : numberText(value)}`;
}

function keyText(name: string, indent: string): string {
  if (KEY.test(name)) return name;
  const text = yamlString(name);
  return text.length < MOST_KEY ? text : `? ${text}\n${indent}`;
}

/** `1e+21` without a point is a text to YAML 1.1. */
const numberText = (value: number | boolean | null): string => String(value).replace(/^(-?\d+)e/, "$1.0e");
