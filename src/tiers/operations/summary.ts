import type { Operation, OperationStatus, OperationSummary } from "../../contract/operation.ts";

/** Of more children those are shown first that a reader looks for. */
const SHOWN = 1_000;
const FIRST: OperationStatus[] = ["FAILED", "PARTIAL", "IN-PROGRESS", "SUCCEEDED"];

export function summaryOf({ children }: Pick<Operation, "children">): OperationSummary {
  const count = (status: OperationStatus) => children.filter((child) => child.status === status).length;
  return {
    total: children.length,
    succeeded: count("SUCCEEDED"),
    partial: count("PARTIAL"),
    failed: count("FAILED"),
    in_progress: count("IN-PROGRESS"),
  };
}

/** An operation as it is answered: with how its children stand, and no more than `most` of them. */
export function shown(operation: Operation, most = SHOWN): Operation {
  const { children, summary = summaryOf(operation) } = operation;
  if (children.length <= most) return { ...operation, summary, children: children.map((child) => ({ ...child })) };
  const sorted = FIRST.flatMap((status) => children.filter((child) => child.status === status));
  return { ...operation, summary, children: sorted.slice(0, most).map((child) => ({ ...child })) };
}
