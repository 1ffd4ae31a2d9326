/** All that a feature store holds, so that two can be compared. */
import { customerKeyFromBytes, decisionIdFromBytes } from '#contracts';
import { decodeLink, decodeState, oldestUnitAt, recordKindOf } from '#feature-store';
import { unpackWaiting } from '../state/waiting.ts';
import type { World } from '../test-world.ts';

/**
 * All that a store holds, as text by key. Tolerances: registers to four digits (float32, and topics may have been folded in another order: law 5);
 * revisions of rewards likewise; of the ring only what it owes at `atMs`, since it may keep more, by when it was written. A timer under a decision that has come does nothing and is not compared.
 *
 * @param atMs one moment for all stores that are compared, not before the last commit: the ring forgets in steps of ten minutes, and a clock that
 * went on between two readings would make one store two
 */
export const contentOf = async (
  { store, log, project }: Pick<World, 'store' | 'log' | 'project'>,
  atMs: number,
): Promise<Record<string, unknown>> => {
  const content: Record<string, unknown> = {};
  const waiting = new Set<string>();
  for await (const { key, value } of store.states.scan()) {
    const kind = recordKindOf(value);
    if (kind === 'link') content[`link ${decisionIdFromBytes(key)}`] = decodeLink(value);
    else if (kind === 'waiting') {
      waiting.add(key.toString('hex'));
      content[`waiting ${decisionIdFromBytes(key)}`] = unpackWaiting(value)!.map(({ offset }) => offset);
    } else if (kind === 'unknown') content[`erased ${key.toString('hex')}`] = value.toString('hex');
    else {
      const state = decodeState(value, project.featureSet);
      content[`state ${customerKeyFromBytes(key)}`] = {
        epoch: state.epoch,
        positions: state.positions,
        attributes: state.attributes,
        refMs: state.registers.refMs,
        registers: Array.from(state.registers.values, (number) =>
          number === 0 || Number.isNaN(number) ? 0 : Number(number.toPrecision(4)),
        ),
        contacts: state.contacts,
        pairs: [...state.pairs].toSorted(([a], [b]) => a - b),
        pending: state.pending.map(({ items, ...rest }) => ({ ...rest, items: items.map((item) => ({ ...item, revision: 0 })) })),
        ring: state.ring.hashes
          .filter((_, i) => i >= state.ring.forgotten && state.ring.units[i]! >= oldestUnitAt(atMs))
          .toSorted((a, b) => a - b),
        timer: state.nextTimerMs,
      };
    }
  }
  for (let partition = 0; partition < log.partitions; partition++) {
    for (const { key, dueMs } of await store.timers.due(partition, 2 ** 47, 1_000_000)) {
      const name = key.toString('hex');
      const isOfState = `state ${name}` in content;
      if (isOfState || waiting.has(name)) content[`timer ${name}`] = dueMs;
    }
  }
  return content;
};
