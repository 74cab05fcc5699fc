import { z } from "zod";
import { VERSION_HEADER } from "../contract/version.ts";
import {
  ALL,
  type Check,
  shapeOf,
  shown,
  type TierName,
  UPPER,
  want,
  wantProblem,
  wantStatus,
  wantVersion,
} from "./check.ts";
import { bytes } from "./client.ts";

const Document = z.looseObject({
  openapi: z.string().regex(/^3\.1\.\d+$/),
  info: z.looseObject({ title: z.string(), version: z.string() }),
  paths: z.record(z.string(), z.record(z.string(), z.unknown())),
});

/** What /doc has to describe. */
const ROUTES: Record<TierName, string[]> = {
  driver: ["post /discovery", "get /operations/{}", "get /hardware", "get /hardware/{}"],
  agent: ["post /hello", "post /discovery", "get /operations/{}", "get /hardware", "get /hardware/{}"],
  conductor: [
    ...["post /hello", "post /discovery", "get /operations/{}", "get /hardware", "get /hardware/{}"],
    ...["get /nodes", "get /changes"],
  ],
};

export const httpChecks: Check[] = [
  {
    name: `every answer carries ${VERSION_HEADER}, errors too`,
    tiers: ALL,
    seed: false,
    async run({ ask }) {
      for (const [method, path] of [
        ["GET", "/hardware"],
        ["GET", "/healthz"],
        ["GET", "/doc"],
        ["GET", "/conform"],
        ["PUT", "/hardware"],
      ] as const) {
        wantVersion(await ask(method, path));
      }
    },
  },
  {
    name: "a request may name version 1.0; one that names a version that is not spoken is 406",
    tiers: ALL,
    seed: false,
    async run({ ask }) {
      wantStatus(await ask("GET", "/hardware", { headers: { [VERSION_HEADER]: "1.0" } }), 200);
      for (const version of ["999.0", "conform"]) {
        const answer = await ask("GET", "/hardware", { headers: { [VERSION_HEADER]: version } });
        wantProblem(answer, 406, "version_unsupported");
      }
    },
  },
  {
    name: "a path that is not there is 404, a method that is not there 405 with Allow",
    tiers: ALL,
    seed: false,
    async run({ ask }) {
      wantProblem(await ask("GET", "/conform"), 404, "not_found");
      for (const [method, path, allowed] of [
        ["DELETE", "/hardware", "GET"],
        ["GET", "/discovery", "POST"],
      ] as const) {
        const answer = await ask(method, path);
        wantProblem(answer, 405, "method_not_allowed");
        const allow = answer.headers.get("allow") ?? "none";
        want(allow.split(/\s*,\s*/).includes(allowed), `${answer.what} to answer Allow: ${allowed}`, allow);
      }
    },
  },
  {
    name: "a body of several MiB is 413",
    tiers: ALL,
    seed: false,
    async run({ ask }) {
      const body = bytes(`{"a":"${"x".repeat(4 * 2 ** 20)}"}`);
      wantProblem(
        await ask("POST", "/discovery", { body, headers: { "content-type": "application/json" } }),
        413,
        "too_large",
      );
    },
  },
  {
    name: "POST /hello with a body that says it is no JSON is 415",
    tiers: UPPER,
    seed: false,
    async run({ ask }) {
      const answer = await ask("POST", "/hello", { body: bytes("{}"), headers: { "content-type": "text/plain" } });
      wantProblem(answer, 415, "unsupported_media_type");
    },
  },
  {
    name: "GET /healthz says which tier it is, GET /readyz that it is ready",
    tiers: ALL,
    seed: false,
    async run({ ask, tier }) {
      const health = await ask("GET", "/healthz");
      wantStatus(health, 200);
      const { role } = shapeOf(z.looseObject({ role: z.string() }), health);
      want(role === tier, `GET /healthz to say role ${tier}`, role);
      wantStatus(await ask("GET", "/readyz"), 200);
    },
  },
  {
    name: "GET /doc is an OpenAPI 3.1 document of the routes, without dangling references",
    tiers: ALL,
    seed: false,
    async run({ ask, tier }) {
      const answer = await ask("GET", "/doc");
      wantStatus(answer, 200);
      const document = shapeOf(Document, answer);
      const described = Object.entries(document.paths).flatMap(([path, methods]) =>
        Object.keys(methods).map((method) => `${method} ${path.replace(/\{[^}]*\}/g, "{}")}`),
      );
      const missing = ROUTES[tier].filter((route) => !described.includes(route));
      want(missing.length === 0, `/doc to describe ${ROUTES[tier].join(", ")}`, `it lacks ${missing.join(", ")}`);
      const dangling = [...answer.text.matchAll(/"\$ref"\s*:\s*"([^"]*)"/g)]
        .map(([, reference = ""]) => reference)
        .filter((reference) => resolve(document, reference) === undefined);
      want(dangling.length === 0, "references of /doc that lead somewhere", shown(dangling.slice(0, 3)));
    },
  },
];

const resolve = (document: unknown, reference: string): unknown =>
  reference
    .replace(/^#\//, "")
    .split("/")
    .reduce<unknown>((inner, key) => Object(inner)[key], document);
