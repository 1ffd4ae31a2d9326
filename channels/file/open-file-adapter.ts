/** Messages as JSON Lines in a file, for demonstrations and tests by hand: what is written counts as delivered at once. */
import { mkdirSync } from 'node:fs';
import { appendFile, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ChannelAdapter, OutboundMessage } from '#contracts';
import type { FileSettings } from '#project';
import type { AdapterDeps } from '../deps.ts';
import { createListeners } from '../listeners.ts';

/** A crash between write and record may write a line again: readers know it by its communicationId. */
export const openFileAdapter = (channel: string, { path }: FileSettings, { dataDir, clock }: AdapterDeps): ChannelAdapter => {
  const file = join(dataDir, path);
  const listeners = createListeners();
  const inHand = new Set<Promise<unknown>>();
  let isClosed = false;

  const write = async (message: OutboundMessage): Promise<void> => {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    // Texts and addresses are personal. One write of one line: processes that share the file do not mix their lines.
    await appendFile(file, `${JSON.stringify({ at: new Date(clock()).toISOString(), ...message })}\n`, { mode: 0o600 });
  };

  /** After `send` has answered, as a peer would. */
  const confirm = ({ communicationId }: OutboundMessage): void => {
    const receipt = { channel, communicationId, providerId: null, state: 'delivered', reason: null, atMs: clock() } as const;
    setImmediate(() => {
      // Who listens counts what fails.
      const telling = listeners.tell(receipt).catch(() => {});
      inHand.add(telling);
      void telling.finally(() => inHand.delete(telling));
    });
  };

  return {
    channel,
    deduplicates: false,
    confirms: true,
    async send(message, signal) {
      if (isClosed || signal.aborted) return { kind: 'retry', reason: 'the channel is closing', afterMs: null };
      try {
        await write(message);
      } catch (error) {
        return { kind: 'retry', reason: `${file} cannot be written: ${(error as Error).message}`, afterMs: null };
      }
      confirm(message);
      return { kind: 'sent', providerId: null };
    },
    async check() {
      mkdirSync(dirname(file), { recursive: true });
      const handle = await open(file, 'a');
      await handle.close();
    },
    onReceipt: (listener) => listeners.add(listener),
    async close() {
      isClosed = true;
      await Promise.all(inHand);
    },
  };
};
