import { SinewError } from "../contract/problem.ts";
import type { App, Mount } from "./app.ts";

/** Files of swagger-ui-dist, served from the package so that the page needs no internet. */
const ASSETS = new Map([
  ["swagger-ui.css", "text/css"],
  ["swagger-ui-bundle.js", "text/javascript"],
]);
const CSP = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";

const page = ({ role, basePath }: Mount) => `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Sinew ${role}: API reference</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${basePath}/reference/swagger-ui.css"></head>
<body><div id="ui" data-doc="${basePath}/doc"></div>
<script src="${basePath}/reference/swagger-ui-bundle.js"></script>
<script src="${basePath}/reference/init.js"></script></body>
</html>
`;
// A file of its own: the page's policy allows no inline script. Without validatorUrl null it would ask a server outside.
const INIT = `SwaggerUIBundle({ url: document.getElementById("ui").dataset.doc, dom_id: "#ui", validatorUrl: null });\n`;

/** Read when asked for, never at import: what runs here may have no files at all. */
async function asset(file: string): Promise<Uint8Array<ArrayBuffer>> {
  const { readFile } = await import("node:fs/promises");
  const { fileURLToPath } = await import("node:url");
  const bytes = await readFile(fileURLToPath(import.meta.resolve(`swagger-ui-dist/${file}`)));
  return new Uint8Array(bytes);
}

/** The description at /doc (OpenAPI 3.1) and a page to read it at /reference. */
export function documentRoutes(app: App, mount: Mount): void {
  app.openAPIRegistry.registerComponent("securitySchemes", "bearer", {
    type: "http",
    scheme: "bearer",
    description: "A token made by POST /tokens, or the operator token in the state directory. The names are roles.",
  });
  app.doc31("/doc", {
    openapi: "3.1.0",
    info: {
      title: `Sinew ${mount.role}`,
      version: "1.0",
      description: "Errors are application/problem+json with a stable `code`. Times are RFC 3339 UTC.",
    },
    servers: [{ url: mount.basePath || "/" }],
  });
  app.get("/reference", (c) => c.html(page(mount), 200, { "content-security-policy": CSP }));
  app.get("/reference/:file", async (c) => {
    const file = c.req.param("file");
    if (file === "init.js") return c.body(INIT, 200, { "content-type": "text/javascript" });
    const type = ASSETS.get(file);
    if (!type) throw new SinewError("not_found", `the reference has no file ${file}`);
    return c.body(await asset(file), 200, { "content-type": type, "cache-control": "max-age=86400" });
  });
}
