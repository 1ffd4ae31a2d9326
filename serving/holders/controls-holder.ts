/** The operators' controls in force, followed on the log by every process. */
import { TOPICS, controlCodec, type Control } from '#contracts';
import type { EventLog } from '#event-log';

export const NO_CONTROLS: Control = Object.freeze({
  version: 0,
  actor: '',
  reason: '',
  at: 0,
  stopOutbound: false,
  pausedActions: [],
  pausedChannels: [],
  explorationOff: false,
  pinnedModel: null,
  staged: [],
});

/** The one key of the compacted topic: the controls are one whole. */
export const CONTROLS_KEY = Buffer.from('controls');

export interface ControlsHolder {
  current(): Control;
  readonly caughtUp: Promise<void>;
  /** In force here at once; the log brings it to the others. */
  apply(control: Control): void;
  onChange(listener: (control: Control) => void): void;
  stop(): Promise<void>;
}

export const followControls = (log: EventLog, onUnreadable: (error: unknown) => void): ControlsHolder => {
  let current = NO_CONTROLS;
  const listeners: ((control: Control) => void)[] = [];

  const apply = (control: Control): void => {
    if (control.version < current.version) return;
    current = control;
    for (const listener of listeners) listener(control);
  };

  const follower = log.follow([TOPICS.controls], (record) => {
    try {
      apply(controlCodec.decode(record.value));
    } catch (error) {
      onUnreadable(error);
    }
  });

  return {
    current: () => current,
    caughtUp: follower.caughtUp,
    apply,
    onChange: (listener) => void listeners.push(listener),
    stop: () => follower.stop(),
  };
};
