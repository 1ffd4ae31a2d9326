/** A client as it should be: what was answered 503, or not at all, is sent again as it was. */
import { setTimeout as delay } from 'node:timers/promises';

const RETRY_MS = 50;
const PATIENCE_MS = 30_000;

export type Send = <T>(method: string, path: string, body?: unknown, contentType?: string) => Promise<T>;

/** Rejects on any other answer than 2xx and 503, and after 30 s. */
export const createSend =
  (url: string): Send =>
  async <T>(method: string, path: string, body?: unknown, contentType = 'application/json'): Promise<T> => {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const response = await fetch(`${url}${path}`, {
        method,
        ...(body === undefined ? {} : { headers: { 'content-type': contentType }, body: JSON.stringify(body) }),
      });
      const text = await response.text();
      if (response.ok) return JSON.parse(text) as T;
      if (response.status !== 503 || Date.now() > deadline) throw new Error(`${method} ${path}: ${response.status} ${text}`);
      await delay(RETRY_MS);
    }
  };
