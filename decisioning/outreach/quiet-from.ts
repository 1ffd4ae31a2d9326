/** Until when a message that may leave now may still leave: what is tried again at night would wake its customer. */
import { MINUTE_MS } from '#contracts';
import { localTime } from '../decide/local-time.ts';
import { isQuiet } from '../decide/moment.ts';
import { planOf } from '../decide/plan.ts';
import type { GateInput } from './gate.ts';

const STEP_MS = 15 * MINUTE_MS;

/** To a quarter of an hour, never late. @returns the message's end where no quiet hours come before it */
export const quietFrom = ({ catalog, view, actionId, channel, nowMs, expiresAtMs }: GateInput): number => {
  const action = catalog.actions[catalog.indexOf.get(actionId) ?? -1];
  const rules = action === undefined ? [] : planOf(catalog).face(channel, 'outbound').rules[action.index]!;
  const quiet = rules.flatMap(({ rule }) => (rule.kind === 'quietHours' ? [rule] : []));
  if (quiet.length === 0) return expiresAtMs;
  for (let atMs = nowMs + STEP_MS; atMs < expiresAtMs; atMs += STEP_MS) {
    const { time } = localTime(atMs, view.attributes['timeZone'], catalog.timeZone);
    if (quiet.some((hours) => isQuiet(hours, time))) return Math.max(atMs - STEP_MS, nowMs + MINUTE_MS);
  }
  return expiresAtMs;
};
