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

/**
 * From the log alone, what it took before its partitions were raised would be folded beside what came after, with offsets that cannot be compared;
 * where loss is accepted, the replay passes over what lies in another partition than its customer.
 */
export const refuseEarlierLife = async (log: EventLog): Promise<void> => {
  const { raisedAtMs } = log;
  if (raisedAtMs === undefined) return;
  for (let partition = 0; partition < log.partitions; partition++) {
    for (const topic of STATE_INPUTS) {
      const { first } = await log.offsets(topic, partition);
      if ((await log.offsetAt(topic, partition, raisedAtMs)) <= first) continue;
      throw new AttuneError(
        'rebuild.raised',
        `the log holds records from before its partitions were raised (${new Date(raisedAtMs).toISOString()}; ${topic} partition ${partition} from offset ${first} on), in other partitions than those of their customers by now: use a snapshot taken since, or --accept-loss to rebuild without them`,
      );
    }
  }
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
