/** Controls that were once in force, kept by version: the log keeps only the newest, and a receipt names the ones it obeyed. */
import { NO_CONTROLS, controlCodec, type Control } from '#contracts';
import type { Blobs } from './port.ts';

/**
 * Keeps what came into force, and only that: the first that is kept under a version stays. Every process that decides keeps what it
 * obeys. Resolves after the first try; one that failed is reported and made again until it succeeds.
 */
export type KeepControls = (control: Control) => Promise<void>;

export const createControlsKeeper = (blobs: Blobs, onFault: (error: unknown) => void, pauseMs = 2_000): KeepControls => {
  const keep: KeepControls = async (control) => {
    try {
      await blobs.put(controlCodec.encode(control), nameOf(control.version));
    } catch (error) {
      onFault(error);
      setTimeout(() => void keep(control), pauseMs).unref();
    }
  };
  return keep;
};

/** Null when that version is not kept. */
export const findControls = async (blobs: Blobs, version: number): Promise<Control | null> => {
  if (version === 0) return NO_CONTROLS;
  const bytes = await blobs.find(nameOf(version));
  return bytes === null ? null : controlCodec.decode(bytes);
};

const nameOf = (version: number): string => `controls/${version}`;
