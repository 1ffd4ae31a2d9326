/** Where the log begins too late for a rebuild, and what is lost by that. */
import { AttuneError, STATE_INPUTS, type Topic } from '#contracts';
import type { EventLog } from '#event-log';
import type { Snapshot } from './snapshot.ts';

export interface Gap {
  readonly topic: Topic;
  readonly partition: number;
  /** Offsets from `from` to before `until` are wanted and gone. */
  readonly from: number;
  readonly until: number;
}

/** @param snapshot null: a rebuild from the log alone, which wants all of it */
export const gapsBefore = async (log: EventLog, snapshot: Snapshot | null): Promise<readonly Gap[]> => {
  const gaps: Gap[] = [];
  for (let partition = 0; partition < log.partitions; partition++) {
    for (const topic of STATE_INPUTS) {
      const { first } = await log.offsets(topic, partition);
      const from = snapshot === null ? 0 : (snapshot.manifest.partitions[partition]!.replayFrom[topic] ?? 0);
      if (first > from) gaps.push({ topic, partition, from, until: first });
    }
  }
  return gaps;
};

export const refuseGaps = (gaps: readonly Gap[], snapshot: Snapshot | null): void => {
  if (gaps.length === 0) return;
  const lost = gaps.reduce((sum, { from, until }) => sum + until - from, 0);
  const lines = gaps
    .slice(0, 5)
    .map(({ topic, partition, from, until }) => `  ${topic} partition ${partition}: offsets ${from} to ${until - 1}`);
  const what = snapshot === null ? 'to its beginning' : `to the snapshot ${snapshot.name}`;
  throw new AttuneError(
    'rebuild.gap',
    `the log no longer reaches back ${what}: ${lost.toLocaleString('en')} records are gone, and with them what they said of customers\n${lines.join('\n')}${
      gaps.length > 5 ? `\n  and ${gaps.length - 5} more` : ''
    }\nuse a newer snapshot, or --accept-loss to rebuild without them`,
  );
};
