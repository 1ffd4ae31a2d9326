/** A receipt in Attune's own form, of channels with the adapter webhook. */
import { textAt } from '#contracts';
import { fieldFault } from '../errors/problem.ts';
import { parseJson } from './parse-json.ts';
import { parseMoment } from './parse-moment.ts';
import { FINAL_STATES } from './told.ts';
import type { Told } from './told.ts';

/** Throws a 400 problem with the field at fault. */
export const readWebhookReceipt = (body: Buffer): Told => {
  const value = parseJson(body);
  const at = textAt(value, 'data.at');
  const atMs = at === null ? null : parseMoment(at);
  if (at !== null && atMs === null) throw fieldFault('data.at', 'must be a time in RFC 3339');
  const word = textAt(value, 'data.state');
  const state = FINAL_STATES.find((known) => known === word);
  if (state === undefined) throw fieldFault('data.state', `must be one of ${FINAL_STATES.join(', ')}`);
  return {
    communicationId: textAt(value, 'data.communicationId'),
    providerId: textAt(value, 'data.providerId'),
    state,
    reason: textAt(value, 'data.reason'),
    atMs,
  };
};
