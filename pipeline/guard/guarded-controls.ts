/** The controls as the guard would have them: who is held out, how many may be open, and what is paused. Pure. */
import { MACHINE_ACTOR } from '#contracts';
import type { Control, Holdout } from '#contracts';
import type { GuardVerdict } from '#models/backfire';
import type { Pause } from './guard-document.ts';

export interface GuardedAction extends Pick<GuardVerdict, 'share' | 'ramp'> {
  readonly actionId: string;
  /** To be in force; null: the guard has nothing against it. */
  readonly pause: Pause | null;
}

/** Null: they are so already. What people paused is theirs. */
export const guardedControls = (current: Control, actions: readonly GuardedAction[], nowMs: number): Omit<Control, 'version'> | null => {
  const pauses = actions.flatMap(({ actionId, pause }) =>
    pause === null || current.pausedActions.includes(actionId) ? [] : [{ actionId, pause }],
  );
  const holdouts = actions
    .map(({ actionId, share, ramp }): Holdout => ({ actionId, share, ramp }))
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

const isSame = (some: readonly Holdout[], others: readonly Holdout[]): boolean =>
  some.length === others.length &&
  some.every(({ actionId, share, ramp }, i) => {
    const other = others[i]!;
    return actionId === other.actionId && share === other.share && ramp === other.ramp;
  });
