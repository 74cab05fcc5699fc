import { z } from "zod";
import type { Schema } from "./values.ts";

const Content = z.record(z.string(), z.looseObject({ schema: z.custom<Schema>().optional() }));
const Operation = z.looseObject({
  parameters: z.array(z.looseObject({ in: z.string(), name: z.string(), schema: z.custom<Schema>() })).default([]),
  requestBody: z.looseObject({ content: Content }).optional(),
  responses: z.record(z.string(), z.looseObject({ content: Content.optional() })),
});
export type Operation = z.infer<typeof Operation>;

/** As much of an OpenAPI 3.1 document as requests are made, and answers are judged, by. */
const Document = z.looseObject({
  openapi: z.string().startsWith("3.1"),
  paths: z.record(z.string(), z.record(z.string(), Operation)),
  components: z.looseObject({ schemas: z.record(z.string(), z.custom<Schema>()) }),
});

export interface Described {
  operations: { path: string; method: string; operation: Operation }[];
  resolve(ref: string): Schema;
  /** The declared schema of an answer; null: none, which is to have no body; undefined: it is not declared. */
  answer(path: string, method: string, status: number): z.ZodType | null | undefined;
}

/** Reads the document that a mount serves of itself. */
export async function describedBy(url: string, headers: Record<string, string>): Promise<Described> {
  const { paths, components } = Document.parse(await (await fetch(`${url}/doc`, { headers })).json());
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
  // zod follows references within a schema only.
  const local = (schema: unknown): string => JSON.stringify(schema).replaceAll("#/components/schemas/", "#/$defs/");
  const $defs = JSON.parse(local(components.schemas));
  const schemas = new Map<string, z.ZodType | null>();
  for (const { path, method, operation } of operations) {
    for (const [status, { content }] of Object.entries(operation.responses)) {
      const schema = content && Object.values(content)[0]?.schema;
      const whole = schema ? z.fromJSONSchema({ ...JSON.parse(local(schema)), $defs }) : null;
      schemas.set(`${method} ${path} ${status}`, whole);
    }
  }
  return {
    operations,
    resolve(ref) {
      const schema = components.schemas[ref.split("/").at(-1) ?? ""];
      if (!schema) throw new Error(`the document has no ${ref}`);
      return schema;
    },
    answer: (path, method, status) => schemas.get(`${method} ${path} ${status}`),
  };
}
