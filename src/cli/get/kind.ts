import type { Command } from "commander";
import type { Change } from "../../contract/change.ts";
import type { Conductor } from "../operator/conductor.ts";

/** What is known beside the rows when they are shown. */
export interface Look {
  /** The time by the conductor's clock. */
  now: number;
}

export interface Column<T> {
  heading: string;
  /** Only with `-o wide`. */
  wide?: true;
  /** Not with `-o wide`, which says it in more columns. */
  narrow?: true;
  of(row: T, look: Look): string;
}

/** Rows as they were at a revision. */
export interface Listed<T> {
  rows: T[];
  revision: number;
}

/** What a change made of rows. */
export interface Touched<T> {
  rows: { row: T; leaves: boolean }[];
  /** Which rows are in no list any more, or the key of the one. */
  forgotten?: string | ((row: T) => boolean);
}

/** One request for rows: what its flags mean, asked once and then kept true from the feed. */
export interface Asking<T> {
  list(): Promise<Listed<T>>;
  /** Which rows a change of the feed is about, as they are now; `leaves`: one is not among those asked for any more. */
  touched(change: Change): Promise<Touched<T>>;
}

/** A kind of thing that `sinew get` shows. */
export interface Kind<T> {
  /** As in `sinew get hardware`, and of the list in JSON. */
  name: string;
  /** As in `hardware/8e45a2ea-...` of `-o name`. */
  one: string;
  aliases: string[];
  summary: string;
  /** Adds the flags by which rows are chosen. */
  filters(command: Command): void;
  /** Throws Exit where a flag is wrong. `ids`: what people call the rows they mean; none: all. */
  ask(conductor: Conductor, flags: Flags, ids: string[]): Asking<T> | Promise<Asking<T>>;
  columns: Column<T>[];
  /** Which row it is, through all changes. */
  key(row: T): string;
  /** What `-o name` prints behind `one/`. */
  handle(row: T): string;
  /** A row for programs, where it is not `T`: as it is in the API, with what its columns say beside. */
  plain?(row: T): unknown;
  /** What stands where no row is among those that are asked for. */
  none: string;
  /** The same where all are asked for. */
  nothing: string;
  /** Says when each was heard last, of which there is no change: a table that is watched asks for it again and again. */
  heard?: true;
  /** False: the feed says nothing of it, so that it is asked again and again. */
  inFeed: boolean;
  /** True: rows never change, and come one after the other. */
  log?: true;
}

/** Values of flags by their names, as commander gives them. */
export type Flags = Record<string, unknown>;

/** The value of a flag that takes one. */
export const textOf = (flags: Flags, name: string): string | undefined => {
  const value = flags[name];
  return typeof value === "string" ? value : undefined;
};
