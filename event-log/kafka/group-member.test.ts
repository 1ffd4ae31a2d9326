import { expect, test } from 'vitest';
import { EngineUnavailable } from '#contracts';
import type { Cluster } from './cluster.ts';
import { GroupMember } from './group-member.ts';

test('the first group of a fresh broker waits for its coordinator without a word', async () => {
  let asked = 0;
  const answers: Readonly<Record<string, object>> = {
    JoinGroup: { errorCode: 0, memberId: 'm', leaderId: 'm', generationId: 1, members: [] },
    SyncGroup: { errorCode: 0, memberAssignment: Buffer.alloc(0) },
    Heartbeat: { errorCode: 0 },
  };
  const cluster = {
    coordinatorOf: async () => {
      if (asked++ < 3) throw new EngineUnavailable('event-log', 'the group state has no coordinator');
      return 1;
    },
    send: async (_node: number, request: string) => answers[request] ?? {},
    close: async () => {},
  } as unknown as Cluster;
  const errors: unknown[] = [];
  const assigned = Promise.withResolvers<void>();
  const member = new GroupMember({
    cluster,
    otherCluster: cluster,
    groupId: 'state',
    kafkaTopics: ['attune.events'],
    partitions: 1,
    sessionTimeoutMs: 10_000,
    heartbeatMs: 1_000,
    onAssigned: () => assigned.resolve(),
    onRebalance: async () => {},
    onLost: () => {},
    onError: (error) => errors.push(error),
  });
  await assigned.promise;
  expect(errors).toEqual([]);
  await member.leave();
});
