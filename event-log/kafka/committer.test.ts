import { expect, it } from 'vitest';
import { Committer } from './committer.ts';

it('commits what comes at any moment of the request before it', async () => {
  for (let moment = 0; moment < 20; moment += 1) {
    const sent: number[] = [];
    const committer = new Committer(async (offsets) => void sent.push(...offsets.map(({ next }) => next)), 0);
    const commit = (next: number): void => committer.commit([{ kafkaTopic: 't', partition: 0, next }]);
    commit(1);
    for (let turn = 0; turn < moment; turn += 1) await Promise.resolve();
    commit(2);
    await new Promise((resolve) => setImmediate(resolve));
    expect({ moment, last: sent.at(-1) }).toEqual({ moment, last: 2 });
  }
});
