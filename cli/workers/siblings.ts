/** A worker's view of the others behind its port: what it counts is told with what they count. */
import type { Siblings } from '#serving';
import { parseToWorker } from './messages.ts';
import type { FromWorker } from './messages.ts';

/** Longer than the primary waits for the slowest worker. */
const PATIENCE_MS = 2_000;

/** Of this process, which a primary has started. */
export const createSiblings = (slot: number): Siblings => ({
  worker: String(slot),
  share(own) {
    let wanted = 0;
    const waiting = new Map<number, (text: string) => void>();
    process.on('message', (raw) => {
      const message = parseToWorker(raw);
      if (message?.kind === 'metrics-of-all') waiting.get(message.id)?.(message.text);
      if (message?.kind === 'tell-metrics') void own().then((text) => tell({ kind: 'metrics-told', id: message.id, text }));
    });
    return () => {
      const id = ++wanted;
      return new Promise<string>((resolve, reject) => {
        // A primary that does not answer is gone, and this process with it soon; until then its own numbers are better than none.
        const timer = setTimeout(() => {
          waiting.delete(id);
          own().then(resolve, reject);
        }, PATIENCE_MS);
        waiting.set(id, (text) => {
          clearTimeout(timer);
          waiting.delete(id);
          resolve(text);
        });
        tell({ kind: 'metrics-wanted', id });
      });
    };
  },
});

const tell = (message: FromWorker): void => {
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
};
