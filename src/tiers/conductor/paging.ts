import { SinewError } from "../../contract/problem.ts";

export interface Paging {
  limit: number;
  page_token?: string | undefined;
}

export function badToken(): SinewError {
  const detail = "expected a next_page_token that this list gave";
  return new SinewError("invalid", `page_token: ${detail}`, { errors: [{ pointer: "page_token", detail }] });
}

export const encode = (position: string) => btoa(position);

export function decode(token: string | undefined): string | undefined {
  if (token === undefined) return undefined;
  try {
    return atob(token);
  } catch {
    throw badToken();
  }
}

/** A row's number in a list. Throws SinewError invalid for anything else. */
export function positionOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,15}$/.test(text)) throw badToken();
  return Number(text);
}
