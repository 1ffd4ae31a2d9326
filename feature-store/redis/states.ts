/** States on Redis: one GET for a decision; commits are a script each, so that a customer's step happens whole or not at all. */
import { randomBytes } from 'node:crypto';
import type { StateCommit, StateKey, StateWrite, States } from '../port.ts';
import { refuseMistakes } from '../refuse-mistakes.ts';
import { bucketOf } from './buckets.ts';
import type { Call, Commands, Reply } from './commands.ts';
import { isLink, linkField, timerField, TIMER_SLOT_MS, wholeLink, type Keys } from './keys.ts';
import type { LossGate } from './loss-gate.ts';
import type { Argument } from './node.ts';
import type { Nodes } from './nodes.ts';
import { scan } from './scan.ts';
import { COMMIT, COMMIT_STATES } from './scripts.ts';

export interface StatesDeps {
  readonly nodes: Nodes;
  readonly commands: Commands;
  readonly keys: Keys;
  readonly gate: LossGate;
  /** A timer may stand there now. */
  readonly onTimer: (bucket: number, dueMs: number) => void;
  readonly onWipe: () => void;
}

export const createRedisStates = (deps: StatesDeps): States => {
  const { nodes, commands, keys, gate } = deps;
  return {
    async read(key, shard) {
      const bucket = bucketOf(shard);
      const state = (await commands.one({ bucket, run: 'GET', args: [keys.state(key, shard)] })) as Buffer | null;
      const links = state === null ? keys.links(key, shard) : null;
      if (links === null) return state;
      const link = (await commands.one({ bucket, run: 'HGET', args: [links, linkField(key)] })) as Buffer | null;
      return link === null ? null : wholeLink(link);
    },

    async readMany(wanted) {
      gate.pass();
      const calls: Call[] = [];
      const take = nodes.isCluster ? planByBucket(wanted, keys, calls) : planAtOnce(wanted, keys, calls);
      const links = planLinks(wanted, keys, calls);
      const replies = await commands.all(calls);
      gate.pass();
      return wanted.map((_, i) => take(replies, i) ?? links(replies, i));
    },

    async commit(commits) {
      refuseMistakes(commits);
      gate.pass();
      try {
        const calls: Call[] = [];
        const take = planCommits(commits, { keys, isCluster: nodes.isCluster }, calls);
        const replies = await commands.all(calls);
        return commits.map((_, i) => (take(replies, i) === 1 ? 'committed' : 'refused'));
      } finally {
        // Also when it is not known what was done.
        if (commits.some(({ wipe }) => wipe === true)) deps.onWipe();
        for (const { shard, timer } of commits) if (timer.to !== null && timer.to !== timer.from) deps.onTimer(bucketOf(shard), timer.to);
      }
    },

    scan: (kind) => scan({ nodes, commands, keys }, kind),
  };
};

type Wanted = readonly { readonly key: StateKey; readonly shard: number }[];
type Take = (replies: readonly Reply[], i: number) => Buffer | null;

const planAtOnce = (wanted: Wanted, keys: Keys, calls: Call[]): Take => {
  if (wanted.length === 0) return () => null;
  const place = calls.push({ bucket: 0, run: 'MGET', args: wanted.map(({ key, shard }) => keys.state(key, shard)) }) - 1;
  return (replies, i) => (replies[place] as readonly (Buffer | null)[])[i]!;
};

/** Keys of one command lie in one slot, hence in one bucket. */
const planByBucket = (wanted: Wanted, keys: Keys, calls: Call[]): Take => {
  const groups = new Map<number, { readonly place: number; readonly args: Buffer[] }>();
  const places = wanted.map(({ key, shard }) => {
    const bucket = bucketOf(shard);
    let group = groups.get(bucket);
    if (group === undefined) {
      const args: Buffer[] = [];
      group = { place: calls.push({ bucket, run: 'MGET', args }) - 1, args };
      groups.set(bucket, group);
    }
    return { place: group.place, index: group.args.push(keys.state(key, shard)) - 1 };
  });
  return (replies, i) => (replies[places[i]!.place] as readonly (Buffer | null)[])[places[i]!.index]!;
};

const planLinks = (wanted: Wanted, keys: Keys, calls: Call[]): Take => {
  const places = new Map<number, number>();
  wanted.forEach(({ key, shard }, i) => {
    const links = keys.links(key, shard);
    if (links !== null) places.set(i, calls.push({ bucket: bucketOf(shard), run: 'HGET', args: [links, linkField(key)] }) - 1);
  });
  return (replies, i) => {
    const place = places.get(i);
    const link = place === undefined ? null : (replies[place] as Buffer | null);
    return link === null ? null : wholeLink(link);
  };
};

const NOTHING = '';

/** Redis does nothing else while a script runs: a read waits for so many states, about a tenth of a millisecond. */
const STATES_A_SCRIPT = 64;

interface Group {
  readonly bucket: number;
  readonly names: Argument[];
  readonly args: Argument[];
}

const planCommits = (
  commits: readonly StateCommit[],
  { keys, isCluster }: { readonly keys: Keys; readonly isCluster: boolean },
  calls: Call[],
): ((replies: readonly Reply[], i: number) => Reply) => {
  const groups: Group[] = [];
  const open = new Map<number, number>();
  const alone = new Map<number, number>();
  const places = commits.map((commit, i) => {
    if (!isOnlyState(commit, keys)) {
      alone.set(i, calls.push(callOf(commit, keys)) - 1);
      return null;
    }
    const bucket = bucketOf(commit.shard);
    const slot = isCluster ? bucket : 0;
    let group = open.get(slot);
    if (group === undefined || groups[group]!.names.length === STATES_A_SCRIPT)
      open.set(slot, (group = groups.push({ bucket, names: [], args: [] }) - 1));
    const { names, args } = groups[group]!;
    args.push(commit.expected ?? NOTHING, commit.value!);
    return { group, index: names.push(keys.state(commit.key, commit.shard)) - 1 };
  });
  const first = calls.length;
  for (const { bucket, names, args } of groups)
    calls.push({ bucket, run: { script: COMMIT_STATES, keys: names.length }, args: [...names, ...args] });
  return (replies, i) => {
    const place = places[i]!;
    return place === null ? replies[alone.get(i)!]! : (replies[first + place.group] as readonly Reply[])[place.index]!;
  };
};

const isOnlyState = ({ key, shard, value, companions, timer, wipe }: StateCommit, keys: Keys): boolean =>
  value !== null && companions.length === 0 && timer.from === timer.to && wipe !== true && keys.links(key, shard) === null;

const callOf = (commit: StateCommit, keys: Keys): Call => {
  const { shard, timer } = commit;
  const bucket = bucketOf(shard);
  const names: Argument[] = [];
  const args: Argument[] = [1 + commit.companions.length];
  const add = ({ key, value }: StateWrite, expects: 'n' | 'p' | 'e' | '*', expected: Buffer | null): void => {
    const own = keys.state(key, shard);
    const links = keys.links(key, shard);
    names.push(own, links ?? own);
    args.push(links === null ? NOTHING : linkField(key), expects, expected ?? NOTHING);
    if (value === null) args.push('d', NOTHING);
    else if (links !== null && isLink(value)) args.push('l', value.subarray(1));
    else args.push('s', value);
  };
  add(commit, commit.expected === null ? 'n' : 'p', commit.expected);
  for (const companion of commit.companions) {
    const { expected } = companion;
    add(companion, expected === undefined ? '*' : expected === null ? 'n' : 'e', expected ?? null);
  }
  const stays = timer.from === timer.to;
  const from = stays || timer.from === null ? null : Math.floor(timer.from / TIMER_SLOT_MS);
  const to = stays || timer.to === null ? null : Math.floor(timer.to / TIMER_SLOT_MS);
  names.push(keys.slots(bucket), keys.timers(bucket, from ?? 0), keys.timers(bucket, to ?? 0), keys.wiped(bucket));
  args.push(
    stays ? NOTHING : timerField(commit.key, shard),
    from ?? NOTHING,
    to ?? NOTHING,
    to === null ? NOTHING : timer.to! - to * TIMER_SLOT_MS,
    commit.wipe === true ? randomBytes(8) : NOTHING,
  );
  return { bucket, run: { script: COMMIT, keys: names.length }, args: [...names, ...args] };
};
