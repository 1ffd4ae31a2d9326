/** Lets a message of ann's out, as the state role commits it; for tests of what delivers. */
import { expect } from 'vitest';
import { customerKeyToBytes, shardOf } from '#contracts';
import { decodeState, emptyState, encodeState, letOut, positionPrefixOf, timerOf } from '#feature-store';
import { customerKey, decisionId } from '../test-world.ts';
import type { World } from '../test-world.ts';

/** @param number its decision is `decisionId('ann', number * 64)` */
export const letOutBy = async ({ store, project }: World, number: number, channel: string): Promise<void> => {
  const key = customerKeyToBytes(customerKey('ann'));
  const before = await store.states.read(key, shardOf('ann'));
  const state = before === null ? emptyState(project.featureSet) : decodeState(before, project.featureSet);
  const nowMs = Date.now();
  const message = { decisionId: decisionId('ann', number * 64), actionId: 'a', channel, atMs: nowMs, endMs: nowMs + 60_000 };
  expect(letOut(state, message)).toBe(true);
  const expected = before === null ? null : positionPrefixOf(before);
  const timer = { from: before === null ? null : timerOf(before), to: state.nextTimerMs };
  const commit = { key, shard: shardOf('ann'), value: encodeState(state, nowMs), expected, companions: [], timer };
  expect(await store.states.commit([commit])).toEqual(['committed']);
};
