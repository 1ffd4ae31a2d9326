/** Waits that end early when they are no longer wanted. */
export const FIRST_BACKOFF_MS = 200;
export const LAST_BACKOFF_MS = 10_000;

export function sleep(ms: number, cancelled: AbortSignal): Promise<void> {
  if (cancelled.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      cancelled.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    cancelled.addEventListener('abort', end);
  });
}
