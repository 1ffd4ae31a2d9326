/**
 * The operators' controls in force, followed on the log by every process and changed without losing anybody's change.
 *
 * Several write them: people through any API process, guard, deliver. Of the records that carry one version the first in the log
 * counts, in every follower; whoever wrote another of that version sees it and changes the newer controls instead. Each writer has a
 * key of its own on the compacted topic: under a common key compaction would leave the last of a version, and a process that starts
 * later would obey what nobody else does.
 */
import { randomUUID } from 'node:crypto';
import { AttuneError, NO_CONTROLS, TOPICS, controlCodec, shardOf, within, type Control } from '#contracts';
import type { AppendRecord, EventLog } from '../port.ts';

/** Makes of the controls in force those that are to be; null: nothing is to change. May be called several times; what it throws rejects the change. */
export type ChangeControls = (current: Control) => Omit<Control, 'version'> | null;

export interface ControlsHolder {
  current(): Control;
  /** Resolves once those in force are known here; whoever changes controls without being asked by a person waits for it. */
  readonly caughtUp: Promise<void>;
  /**
   * Resolves with the controls that the change led to, when they are in force here and every other process gets them from the log;
   * with those in force when nothing was to change. Rejects with what `append` rejects with, or `controls.unseen` when the log took
   * the record and did not show it in time: it may come into force yet.
   */
  change(make: ChangeControls): Promise<Control>;
  /** Called for each version that comes into force here. */
  onChange(listener: (control: Control) => void): void;
  stop(): Promise<void>;
}

export interface FollowControlsDeps {
  readonly log: EventLog;
  readonly onUnreadable: (error: unknown) => void;
  /** How a change is appended. Default: as the log does it. */
  readonly append?: (records: readonly AppendRecord[]) => Promise<unknown>;
  /** How long a change waits for its own record to be shown by the log. Default 5,000. */
  readonly patienceMs?: number;
}

export const followControls = ({
  log,
  onUnreadable,
  append = (records) => log.append(records),
  patienceMs = 5_000,
}: FollowControlsDeps): ControlsHolder => {
  const key = Buffer.from(`controls/${randomUUID()}`);
  const listeners: ((control: Control) => void)[] = [];
  const awaited = new Map<string, (isFirst: boolean) => void>();
  let current = NO_CONTROLS;
  let turn: Promise<unknown> = Promise.resolve();

  const follower = log.follow([TOPICS.controls], ({ value }) => {
    let control;
    try {
      control = controlCodec.decode(value);
    } catch (error) {
      return onUnreadable(error);
    }
    const isFirst = control.version > current.version;
    if (isFirst) {
      current = control;
      for (const listener of listeners) listener(control);
    }
    awaited.get(nameOf(value))?.(isFirst);
  });

  /** Null: another came first. */
  const tryToChange = async (next: Control): Promise<Control | null> => {
    const value = controlCodec.encode(next);
    const shown = Promise.withResolvers<boolean>();
    awaited.set(nameOf(value), shown.resolve);
    try {
      await append([{ topic: TOPICS.controls, shard: shardOf('controls'), key, value }]);
      const isFirst = await within(patienceMs, shown.promise, null);
      if (isFirst === null)
        throw new AttuneError(
          'controls.unseen',
          `the event log took version ${next.version} of the controls and did not show it within ${patienceMs} ms`,
        );
      return isFirst ? next : null;
    } finally {
      awaited.delete(nameOf(value));
    }
  };

  const change = async (make: ChangeControls): Promise<Control> => {
    for (;;) {
      const made = make(current);
      if (made === null) return current;
      const changed = await tryToChange({ ...made, version: current.version + 1 });
      if (changed !== null) return changed;
    }
  };

  return {
    current: () => current,
    caughtUp: follower.caughtUp,
    change(make) {
      // One change of this process after the other: they would only stand in each other's way.
      const mine = turn.then(() => change(make));
      turn = mine.catch(() => undefined);
      return mine;
    },
    onChange: (listener) => void listeners.push(listener),
    stop: () => follower.stop(),
  };
};

const nameOf = (value: Uint8Array): string => Buffer.from(value.buffer, value.byteOffset, value.length).toString('latin1');
