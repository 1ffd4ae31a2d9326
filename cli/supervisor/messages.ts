/** What supervisor and role say to each other over IPC. */

export type FromRole =
  | { readonly kind: 'ready'; readonly detail: string; readonly port: number | null }
  /** The demo's one line about the loop. */
  | { readonly kind: 'live'; readonly text: string };

export type ToRole = { readonly kind: 'stop' };

/** A message of ours, or null. */
export const parseFromRole = (message: unknown): FromRole | null => {
  if (typeof message !== 'object' || message === null) return null;
  const { kind } = message as { kind?: unknown };
  return kind === 'ready' || kind === 'live' ? (message as FromRole) : null;
};
