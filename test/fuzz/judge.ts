import { PROBLEMS } from "../../src/contract/problem.ts";
import { Problem } from "../../src/contract/problem-schema.ts";
import { VERSION_HEADER } from "../../src/contract/version.ts";
import type { Described } from "./document.ts";
import type { FuzzRequest } from "./request.ts";

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
}

/** What Bun's parser answers before the app sees a request: no body, no header of ours. 505 is of the request's version. */
const PARSED = [400, 413, 414, 417, 431, 505];
export const byTheParser = ({ status, headers, text }: Answer) =>
  PARSED.includes(status) && !headers.has(VERSION_HEADER) && text === "";

/** What is wrong with an answer; null: nothing. */
export function complaint(request: FuzzRequest, answer: Answer, { answer: declared }: Described): string | null {
  const { status, headers, text } = answer;
  for (const secret of request.secrets) {
    if (text.includes(secret) || [...headers.values()].some((value) => value.includes(secret))) {
      return "the answer says a secret of the request again";
    }
  }
  if (byTheParser(answer)) return null;
  // Every process has said that it is ready: 503 is none of its answers any more.
  if (status >= 500) return `answered ${status}`;
  if (!headers.has(VERSION_HEADER)) return `answered ${status} without ${VERSION_HEADER}`;
  if (request.method === "HEAD") return text === "" ? null : "answered HEAD with a body";
  if (status >= 400) return refusalComplaint(answer);
  if (status >= 300) return status === 304 || status === 302 ? null : `answered ${status}`;
  if (request.template === null) return null;
  const schema = declared(request.template, request.method, status);
  if (schema === undefined) return `answered ${status}, which the document does not declare`;
  if (schema === null) return text === "" ? null : `answered ${status} with a body that the document does not declare`;
  // Metrics are text, which the document declares as a string.
  const body = headers.get("content-type")?.startsWith("text/plain") ? text : JSON.parse(text);
  const parsed = schema.safeParse(body);
  return parsed.success ? null : `answered what the document does not declare: ${parsed.error.message}`;
}

function refusalComplaint({ status, headers, text }: Answer): string | null {
  if (headers.get("content-type") !== "application/problem+json") return `refused as ${headers.get("content-type")}`;
  const problem = Problem.safeParse(JSON.parse(text));
  if (!problem.success) return `refused with no problem document: ${problem.error.message}`;
  if (problem.data.status !== status || PROBLEMS[problem.data.code][0] !== status) {
    return `refused with ${status} and a problem of ${problem.data.code} ${problem.data.status}`;
  }
  return status === 405 && !headers.get("allow") ? "refused a method without Allow" : null;
}
