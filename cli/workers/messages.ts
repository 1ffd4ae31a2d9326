/** What the primary and the workers of one API say to each other beside a role's own messages. */

export type FromWorker =
  /** A worker was asked for the metrics of all. */
  { readonly kind: 'metrics-wanted'; readonly id: number } | { readonly kind: 'metrics-told'; readonly id: number; readonly text: string };

export type ToWorker =
  | { readonly kind: 'tell-metrics'; readonly id: number }
  | { readonly kind: 'metrics-of-all'; readonly id: number; readonly text: string };

const kindOf = (message: unknown): unknown =>
  typeof message === 'object' && message !== null ? (message as { kind?: unknown }).kind : null;

/** A message of ours, or null. */
export const parseFromWorker = (message: unknown): FromWorker | null => {
  const kind = kindOf(message);
  return kind === 'metrics-wanted' || kind === 'metrics-told' ? (message as FromWorker) : null;
};

/** A message of ours, or null. */
export const parseToWorker = (message: unknown): ToWorker | null => {
  const kind = kindOf(message);
  return kind === 'tell-metrics' || kind === 'metrics-of-all' ? (message as ToWorker) : null;
};
