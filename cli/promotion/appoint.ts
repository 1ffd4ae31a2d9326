/** Makes a version the champion: one record, and whoever was champion is the previous one by that. */
import { AttuneError, TOPICS, modelCodec, shardOf } from '#contracts';
import type { ModelRecord } from '#contracts';
import type { Stores } from '../open-stores.ts';
import { readModels } from './read-models.ts';

/** Throws `promotion.unknown`. @param note who and why */
export const appointChampion = async (
  { log }: Pick<Stores, 'log'>,
  { loop, version, note }: { readonly loop: string; readonly version: string; readonly note: string },
): Promise<void> => {
  const registry = await readModels(log);
  const known = registry.find(loop, version);
  if (known === null) throw new AttuneError('promotion.unknown', `there is no model version "${version}" in loop "${loop}"`);
  const at = Date.now();
  const record: ModelRecord = { ...known.newest, role: 'champion', note, at, roleAt: registry.roles.nextRoleAt(loop, at), kept: false };
  const key = `${loop}/${version}${record.snapshot === 0 ? '/0' : ''}`;
  await log.append([{ topic: TOPICS.models, shard: shardOf(loop), key: Buffer.from(key, 'utf8'), value: modelCodec.encode(record) }]);
};
