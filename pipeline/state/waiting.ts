/** Outcomes that came before their decision: kept under the decision's id, with their place in the log, for an hour. */
import { HOUR_MS } from '#contracts';
import { decodeWaiting, encodeWaiting } from '#feature-store';

export const WAIT_MS = HOUR_MS;

export interface WaitingOutcome {
  readonly offset: number;
  /** When the log took it; it waits from then. */
  readonly timestampMs: number;
  /** The outcome's record as it was. */
  readonly value: Buffer;
}

const HEAD = 18;

export const packWaiting = (outcomes: readonly WaitingOutcome[]): Buffer => {
  const parts: Buffer[] = [];
  for (const { offset, timestampMs, value } of outcomes) {
    const head = Buffer.alloc(HEAD);
    head.writeUIntBE(offset, 0, 6);
    head.writeUIntBE(timestampMs, 6, 6);
    head.writeUIntBE(value.length, 12, 6);
    parts.push(head, value);
  }
  return encodeWaiting(Buffer.concat(parts));
};

/** Null when the stored value is not a record of waiting outcomes. */
export const unpackWaiting = (stored: Buffer): WaitingOutcome[] | null => {
  const content = decodeWaiting(stored);
  if (content === null) return null;
  const outcomes: WaitingOutcome[] = [];
  for (let at = 0; at < content.length;) {
    const length = content.readUIntBE(at + 12, 6);
    outcomes.push({
      offset: content.readUIntBE(at, 6),
      timestampMs: content.readUIntBE(at + 6, 6),
      value: content.subarray(at + HEAD, at + HEAD + length),
    });
    at += HEAD + length;
  }
  return outcomes;
};

/** When the first of them has waited long enough. */
export const waitsUntil = (outcomes: readonly WaitingOutcome[]): number | null =>
  outcomes.length === 0 ? null : Math.min(...outcomes.map(({ timestampMs }) => timestampMs)) + WAIT_MS;
