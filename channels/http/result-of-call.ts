/** What an HTTP peer's answer means for the message. */
import type { Clock, SendResult } from '#contracts';
import { textAt } from '#contracts';
import type { CallResult } from './call.ts';

/** We are not known, or called wrongly: a person mends that, and the message waits. */
const OURS = new Set([401, 403, 404, 405, 407]);
/** Not now. */
const LATER = new Set([408, 425, 429, 503]);

export const resultOfCall = (result: CallResult, options: { readonly providerId: string | null; readonly clock: Clock }): SendResult => {
  switch (result.kind) {
    case 'unsent':
      return { kind: 'retry', reason: result.reason, afterMs: null };
    case 'forbidden':
      return { kind: 'refused', reason: result.reason };
    case 'unknown':
      return result;
    case 'answer':
      return resultOfAnswer(result, options);
  }
};

const resultOfAnswer = (
  { status, retryAfter, body }: Extract<CallResult, { kind: 'answer' }>,
  { providerId, clock }: { readonly providerId: string | null; readonly clock: Clock },
): SendResult => {
  const reason = `HTTP ${status}${body === '' ? '' : `: ${body.slice(0, 200)}`}`;
  if (status >= 200 && status < 300) return { kind: 'sent', providerId: textAt(parseJson(body), providerId) };
  if (LATER.has(status)) return { kind: 'retry', reason, afterMs: msOf(retryAfter, clock()) };
  if (OURS.has(status)) return { kind: 'retry', reason, afterMs: null };
  if (status >= 300 && status < 400) return { kind: 'refused', reason: `HTTP ${status}: redirects are not followed` };
  // A proxy may say so after what is behind it has taken the message.
  return status >= 500 ? { kind: 'unknown', reason } : { kind: 'refused', reason };
};

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
};

/** Retry-After: seconds or a date (RFC 9110, 10.2.3). */
const msOf = (retryAfter: string | null, nowMs: number): number | null => {
  if (retryAfter === null) return null;
  const ms = /^\d+$/.test(retryAfter) ? Number(retryAfter) * 1_000 : Date.parse(retryAfter) - nowMs;
  return Number.isFinite(ms) ? Math.max(0, ms) : null;
};
