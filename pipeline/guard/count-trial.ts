/** Adds a matured trial to what is known of its action, once. */
import { decisionIdFromBytes, timeOfDecision } from '#contracts';
import type { Communication } from '#contracts';
import type { Position } from '#event-log';
import { addTrial } from '#models/backfire';
import type { GuardDocument } from './guard-document.ts';

export type CountedTrial = 'counted' | 'known' | 'early' | 'unusable';

export interface Counted {
  readonly document: GuardDocument;
  readonly as: CountedTrial;
}

export const countTrial = (
  document: GuardDocument,
  { decisionId, arm, at, holdoutShare, inboundContacts }: Communication,
  { partition, offset }: Position,
): Counted => {
  if (offset < (document.offsets[partition] ?? 0)) return { document, as: 'known' };
  const passed = { ...document, offsets: { ...document.offsets, [partition]: offset + 1 } };
  if (at <= document.countedUntilMs) return { document: passed, as: 'known' };
  // Without a share, as of a catalog that holds nobody out, nothing can be compared.
  if (decisionId === null || arm === '' || !(holdoutShare >= LEAST_SHARE && holdoutShare <= 1 - LEAST_SHARE))
    return { document: passed, as: 'unusable' };
  if (timeOfDecision(decisionIdFromBytes(decisionId)) < document.sinceMs) return { document: passed, as: 'early' };
  const counts = addTrial(document.counts, { share: holdoutShare, arm, inbound: inboundContacts > 0 });
  return { document: { ...passed, counts, lastAtMs: Math.max(document.lastAtMs, at) }, as: 'counted' };
};

const LEAST_SHARE = 0.001;
