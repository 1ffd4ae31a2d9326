/** Model records as they are appended: the newest of a version, the version itself, and the kept snapshots, each under a key of its own. */
import { TOPICS, modelCodec, shardOf } from '#contracts';
import type { ModelRecord } from '#contracts';
import type { AppendRecord } from '#event-log';

/** Serving and operators read the newest record of a version under "loop/version"; a number behind it keeps one for ever. */
export const announce = (record: ModelRecord): AppendRecord[] => {
  const keys = record.snapshot === 0 ? [`${record.loop}/${record.version}/0`] : [`${record.loop}/${record.version}`];
  if (record.kept && record.snapshot > 0) keys.push(`${record.loop}/${record.version}/${record.snapshot}`);
  const value = modelCodec.encode(record);
  return keys.map((key) => ({ topic: TOPICS.models, shard: shardOf(record.loop), key: Buffer.from(key, 'utf8'), value }));
};
