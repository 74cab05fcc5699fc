const BLANK = /[ \t\n\r]*/y;
const TOKEN =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: JSON's strings may not have them
  /[[\]{}:,]|true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|"[^"\\\u0000-\u001f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\u0000-\u001f]*)*"/y;

type Expected = "a value" | "a value or ]" | "a name" | "a name or }" | "a colon" | "a comma or the end" | "the end";

/** Where `text` stops being JSON (RFC 8259), which the runtime's parser does not say: `line 3, column 7: ...`. */
export function whereBroken(text: string): string | null {
  const open: string[] = [];
  let expected: Expected = "a value";
  let at = 0;
  for (;;) {
    BLANK.lastIndex = at;
    BLANK.test(text);
    at = BLANK.lastIndex;
    if (at === text.length && expected === "the end") return null;
    TOKEN.lastIndex = at;
    const token = TOKEN.exec(text)?.[0] ?? "";
    const next = step(token, expected, open);
    if (next === null) return describe(text, at, expected);
    expected = next;
    at += token.length;
  }
}

/** What may follow `token`, or null where it may not come. */
function step(token: string, expected: Expected, open: string[]): Expected | null {
  const afterValue = (): Expected => (open.length > 0 ? "a comma or the end" : "the end");
  const close = (bracket: string): Expected | null => (open.pop() === bracket ? afterValue() : null);
  switch (expected) {
    case "the end":
      return null;
    case "a colon":
      return token === ":" ? "a value" : null;
    case "a comma or the end":
      if (token === ",") return open.at(-1) === "{" ? "a name" : "a value";
      return token === "}" ? close("{") : token === "]" ? close("[") : null;
    case "a name or }":
      if (token === "}") return close("{");
      return token[0] === '"' ? "a colon" : null;
    case "a name":
      return token[0] === '"' ? "a colon" : null;
    case "a value or ]":
      if (token === "]") return close("[");
  }
  if (token === "{" || token === "[") {
    open.push(token);
    return token === "{" ? "a name or }" : "a value or ]";
  }
  return token === "" || /[\]}:,]/.test(token[0] ?? "") ? null : afterValue();
}

function describe(text: string, at: number, expected: Expected): string {
  const before = text.slice(0, at);
  const line = before.split("\n").length;
  const place = `line ${line}, column ${at - before.lastIndexOf("\n")}`;
  return `${place}: expected ${expected}, found ${at === text.length ? "the end of the text" : JSON.stringify(text.slice(at, at + 20))}`;
}
