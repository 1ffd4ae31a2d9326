/** Until when a message that may leave now may still leave: what is tried again at night would wake its customer. */
import { MINUTE_MS } from '#contracts';
import { gateVerdict } from '#decisioning';
import type { GateInput } from '#decisioning';

const STEP_MS = 15 * MINUTE_MS;

/** To a quarter of an hour, never late. @returns `expiresAtMs` where nothing comes before it */
export const quietFrom = (asked: GateInput, expiresAtMs: number): number => {
  for (let atMs = asked.nowMs + STEP_MS; atMs < expiresAtMs; atMs += STEP_MS)
    if (gateVerdict({ ...asked, nowMs: atMs }).kind !== 'allow') return atMs - STEP_MS > asked.nowMs ? atMs - STEP_MS : atMs;
  return expiresAtMs;
};
