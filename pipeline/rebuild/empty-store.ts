/**
 * Removes every state, companion and timer of a store: what is there cannot be trusted, or is in the way of what is restored. Documents and
 * reservations stay: no log makes them again, and neither is derived from a state.
 */
import type { FeatureStore, StateCommit } from '#feature-store';

const COMMITS = 500;
/** As far as a timer can lie. */
const LAST_MS = 2 ** 47;

/** States first, then the timers, which need no state beside them. @param onRemoved with the number of each round; throws to end the work */
export const emptyStore = async (store: FeatureStore, partitions: number, onRemoved: (count: number) => void): Promise<void> => {
  while ((await removeValues(store, onRemoved)) > 0);
  for (let partition = 0; partition < partitions; partition++) await removeTimers(store, partition, onRemoved);
};

/** How many there were: what somebody wrote meanwhile goes in the next round. */
const removeValues = async ({ states }: FeatureStore, onRemoved: (count: number) => void): Promise<number> => {
  let found = 0;
  const commits: StateCommit[] = [];
  const flush = async (): Promise<void> => {
    onRemoved(commits.length);
    found += commits.length;
    await states.commit(withoutRepeats(commits.splice(0)));
  };
  for await (const { key, shard, value } of states.scan()) {
    commits.push({ key, shard, value: null, expected: value, companions: [], timer: { from: null, to: null } });
    if (commits.length === COMMITS) await flush();
  }
  await flush();
  return found;
};

const removeTimers = async ({ states, timers }: FeatureStore, partition: number, onRemoved: (count: number) => void): Promise<void> => {
  for (;;) {
    const due = await timers.due(partition, LAST_MS, COMMITS);
    if (due.length === 0) return;
    const commits = due.map(({ key, shard, dueMs }): StateCommit => ({
      key,
      shard,
      value: null,
      expected: null,
      companions: [],
      timer: { from: dueMs, to: null },
    }));
    onRemoved(commits.length);
    await states.commit(withoutRepeats(commits));
  }
};

/** A scan may name a key twice, and a key may have two timers left (of a decision that came, of what waited for it): these go in the next round. */
const withoutRepeats = (commits: readonly StateCommit[]): StateCommit[] => [
  ...new Map(commits.map((commit) => [commit.key.toString('latin1'), commit])).values(),
];
