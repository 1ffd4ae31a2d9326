/**
 * The contextual-bandit showdown: the named sets with their published rewards, one configuration for all, beside Vowpal Wabbit where Python
 * is given. `npm run bench:showdown -- --data DIR [--sets a,b] [--seeds 10] [--python PYTHON [--grid-seeds 2]]`
 */
import { parseArgs } from 'node:util';
import { playSeeds, interval } from './bandit/play-seeds.ts';
import { playPeers, type PeerResult } from './showdown/peers.ts';
import { SETS } from './showdown/sets.ts';

const { values } = parseArgs({
  options: {
    data: { type: 'string', default: '../shared/data' },
    sets: { type: 'string', default: SETS.map(({ name }) => name).join(',') },
    seeds: { type: 'string' },
    rounds: { type: 'string' },
    python: { type: 'string' },
    'grid-seeds': { type: 'string', default: '1' },
  },
});

/** The mushroom set's trap is asked of twenty seeds. */
const MUSHROOM_SEEDS = 20;
const STUCK_ABOVE = 20;

interface Line {
  readonly set: string;
  readonly percentOfUniform: number;
  readonly low: number | null;
  readonly high: number | null;
  readonly target: number;
  readonly stuck: number;
  readonly decisionsPerSecond: number;
  readonly peers: readonly PeerResult[];
}

const lines: Line[] = [];
for (const name of values.sets.split(',')) {
  const set = SETS.find((candidate) => candidate.name === name);
  if (set === undefined) {
    console.error(`no set is called ${name}; there are ${SETS.map((of) => of.name).join(', ')}`);
    process.exit(2);
  }
  const table = set.read(values.data);
  const rounds = values.rounds === undefined ? set.rounds : Number(values.rounds);
  const seeds = Number(values.seeds ?? (set.rewards === 'mushrooms' ? MUSHROOM_SEEDS : 10));
  const summary = await playSeeds({ table, rewards: set.rewards, rounds }, seeds, (seed, { percentOfUniform, seconds }) =>
    console.log(`${name} seed ${seed}: ${percentOfUniform.toFixed(3)} (${seconds.toFixed(0)} s)`),
  );
  const peers =
    values.python === undefined
      ? []
      : await playPeers({ python: values.python, set, table, rounds, seeds: Math.min(seeds, 10), gridSeeds: Number(values['grid-seeds']) });
  const { percentOfUniform, low, high, decisionsPerSecond, bySeed } = summary;
  const stuck = bySeed.filter((value) => value > STUCK_ABOVE).length;
  const line = {
    set: name,
    percentOfUniform,
    low,
    high,
    target: set.target,
    stuck: set.rewards === 'mushrooms' ? stuck : 0,
    decisionsPerSecond,
    peers,
  };
  lines.push(line);
  console.log(JSON.stringify(line));
}

const geometricMean = (ratios: readonly number[]): number =>
  Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length);
const against = (kind: PeerResult['kind']) => {
  const ratios = lines.flatMap(({ percentOfUniform, peers }) => {
    const peer = peers.find((of) => of.kind === kind);
    return peer === undefined ? [] : [percentOfUniform / interval(peer.bySeed).mean];
  });
  return ratios.length === 0 ? null : { mean: round(geometricMean(ratios)), worst: round(Math.max(...ratios)) };
};
const round = (x: number): number => Math.round(x * 1_000) / 1_000;

console.log('\nset          ours [95 %]               target   VW SquareCB defaults   best of VW grid');
for (const { set, percentOfUniform, low, high, target, peers } of lines) {
  const peer = (kind: PeerResult['kind']): string => {
    const found = peers.find((of) => of.kind === kind);
    return found === undefined ? '–' : `${interval(found.bySeed).mean.toFixed(2)} (${found.options})`;
  };
  console.log(
    `${set.padEnd(12)} ${percentOfUniform.toFixed(2)} [${low?.toFixed(2) ?? '–'}, ${high?.toFixed(2) ?? '–'}]`.padEnd(39) +
      `${percentOfUniform <= target ? '✓' : '✗'} ${String(target).padEnd(6)} ${peer('defaults')}   ${peer('tuned')}`,
  );
}
console.log(
  JSON.stringify({
    bench: 'showdown',
    sets: Object.fromEntries(lines.map(({ set, percentOfUniform, low, high, target }) => [set, { percentOfUniform, low, high, target }])),
    mushroomStuck: lines.find(({ set }) => set === 'mushroom')?.stuck ?? null,
    ofSquareCbDefaults: against('defaults'),
    ofBestOfGrid: against('tuned'),
  }),
);
