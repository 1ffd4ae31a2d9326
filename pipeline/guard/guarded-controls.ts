/** The controls as the guard would have them: who is held out, how many may be open, and what is paused. Pure. */
import { MACHINE_ACTOR } from '#contracts';
import type { Control, Holdout } from '#contracts';
import type { GuardVerdict } from '#models/backfire';
import type { Pause } from './guard-document.ts';

export interface GuardedAction extends Pick<GuardVerdict, 'share' | 'ramp'> {
  readonly actionId: string;
  /** As it is estimated now. */
  readonly rise: number;
  /** To be in force; null: the guard has nothing against it. */
  readonly pause: Pause | null;
}

/** Null: they are so already. What people paused is theirs. */
export const guardedControls = (current: Control, actions: readonly GuardedAction[], nowMs: number): Omit<Control, 'version'> | null => {
  const pauses = actions.flatMap(({ actionId, pause }) =>
    pause === null || current.pausedActions.includes(actionId) ? [] : [{ actionId, pause }],
  );
  const known = new Map(current.holdouts.map((one) => [one.actionId, one.rise]));
  const holdouts = actions
    .map(({ actionId, share, ramp, rise }): Holdout => ({ actionId, share, ramp, rise: steadied(rise, known.get(actionId) ?? 0) }))
    .toSorted((a, b) => (a.actionId < b.actionId ? -1 : 1));
  if (pauses.length === 0 && isSame(holdouts, current.holdouts)) return null;
  return {
    ...current,
    actor: MACHINE_ACTOR,
    reason:
      pauses.length === 0
        ? 'the proof of what contacting does has grown: hold-outs and ramps follow it'
        : pauses.map(({ actionId, pause }) => `${actionId} is paused. ${pause.reason}`).join(' '),
    at: nowMs,
    pausedActions: [...current.pausedActions, ...pauses.map(({ actionId }) => actionId)],
    notices: [
      ...current.notices,
      ...pauses.map(({ actionId, pause }) => ({
        kind: 'action' as const,
        name: actionId,
        by: MACHINE_ACTOR,
        reason: pause.reason,
        at: pause.atMs,
      })),
    ],
    holdouts,
  };
};

/** Each change is a record on the log: a rise is told anew when it has moved by a quarter of a percentage point. */
const RISE_STEP = 0.0025;
const steadied = (rise: number, before: number): number =>
  Math.abs(rise - before) < RISE_STEP ? before : Math.round(rise / RISE_STEP) * RISE_STEP;

const isSame = (some: readonly Holdout[], others: readonly Holdout[]): boolean =>
  some.length === others.length &&
  some.every(({ actionId, share, ramp, rise }, i) => {
    const other = others[i]!;
    return actionId === other.actionId && share === other.share && ramp === other.ramp && rise === other.rise;
  });
