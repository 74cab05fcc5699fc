/**
 * Has zod load its English messages alone: its index brings 50 languages, which nobody here asks for, at 15 ms of start
 * and 1 MB. On Bun only, and only for this program: an application that imports Sinew keeps its own zod.
 */
export function loadOneLanguage(): void {
  if (typeof Bun === "undefined") return;
  Bun.plugin({
    name: "one language",
    setup: (build) => {
      build.onLoad({ filter: /[/\\]zod[/\\]v4[/\\]locales[/\\]index\.js$/ }, () => ({
        contents: 'export { default as en } from "./en.js";',
        loader: "js",
      }));
    },
  });
}
