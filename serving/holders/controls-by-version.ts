/** Controls that were once in force, kept by version: the log keeps only the newest, and a receipt names the ones it obeyed. */
import { controlCodec, type Control } from '#contracts';
import type { Blobs } from '#feature-store';
import { NO_CONTROLS } from './controls-holder.ts';

/** Before the controls are appended, so that no decision obeys what is not kept. */
export const keepControls = async (blobs: Blobs, control: Control): Promise<void> => {
  await blobs.put(controlCodec.encode(control), blobName(control.version));
};

/** Null when that version is not kept. */
export const findControls = async (blobs: Blobs, version: number): Promise<Control | null> => {
  if (version === 0) return NO_CONTROLS;
  const bytes = await blobs.find(blobName(version));
  return bytes === null ? null : controlCodec.decode(bytes);
};

const blobName = (version: number): string => `controls/${version}`;
