/** What no adapter takes: commits that share a key, keys of another length, timers that are no time. */
import { AttuneError } from '#contracts';
import type { StateCommit } from './port.ts';

const KEY_BYTES = 16;

/** Whatever can be wrong with a commit is found before anything of its batch is written. */
export const refuseMistakes = (commits: readonly StateCommit[]): void => {
  const keys = new Set(commits.map((commit) => commit.key.toString('latin1')));
  if (keys.size < commits.length) throw new AttuneError('commit.shared-key', 'two commits of one call share a key; merge them into one');
  for (const { key, companions, timer } of commits) {
    for (const one of [key, ...companions.map((companion) => companion.key)]) {
      if (one.length !== KEY_BYTES) throw new AttuneError('commit.key', `a state key has ${KEY_BYTES} bytes, this one ${one.length}`);
    }
    for (const dueMs of [timer.from, timer.to]) {
      if (dueMs !== null && !(Number.isSafeInteger(dueMs) && dueMs >= 0 && dueMs < 2 ** 48)) {
        throw new AttuneError('commit.timer', `a timer is due at a whole millisecond since 1970, not at ${dueMs}`);
      }
    }
  }
};
