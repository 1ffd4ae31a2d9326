/**
 * Off-policy evaluation against its targets: coverage of every interval, false and missed promotions, the Open Bandit Pipeline in the same run, and two
 * public logs. `npm run bench:evaluation -- --data DIR [--python PATH] [--simulations N] [--replays N]`; last line JSON.
 */
import { parseArgs } from 'node:util';
import { measureCoverage } from './evaluation/coverage.ts';
import { readHillstrom, runHillstrom } from './evaluation/hillstrom.ts';
import { compareWithObp } from './evaluation/obp-synthetic.ts';
import { runOpenBandit } from './evaluation/open-bandit.ts';
import { replayGate } from './evaluation/replays.ts';

const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    python: { type: 'string' },
    simulations: { type: 'string', default: '1000' },
    replays: { type: 'string', default: '1000' },
    seeds: { type: 'string', default: '100' },
    rounds: { type: 'string', default: '3000' },
    only: { type: 'string', default: 'coverage,replays,obp,hillstrom,openBandit' },
  },
});
const only = new Set(values.only.split(','));
const [simulations, replays, seeds, rounds] = [values.simulations, values.replays, values.seeds, values.rounds].map(Number) as [
  number,
  number,
  number,
  number,
];
const began = performance.now();
const report: Record<string, unknown> = { bench: 'evaluation' };
const digits = (x: number, places = 4): number => Number(x.toFixed(places));
const part = (name: string): void => console.log(`\n${name} (${Math.round((performance.now() - began) / 1_000)} s)`);
const every = (step: number) => (done: number) => {
  if (done % step === 0) console.log(`  ${done} (${Math.round((performance.now() - began) / 1_000)} s)`);
};

if (only.has('coverage')) {
  part(
    `coverage of 95 % intervals over ${simulations} logs of ${rounds} rounds; a sequence holds only when it does at every n; of DRos none is claimed`,
  );
  const coverage = measureCoverage({ simulations, rounds }, every(250));
  for (const [name, { coverage: held, width, relativeBias }] of Object.entries(coverage))
    console.log(
      `  ${name.padEnd(26)} held ${(100 * held).toFixed(1).padStart(5)} %   width ${width.toFixed(4)}   bias ${(100 * relativeBias).toFixed(2)} %`,
    );
  report['coverage'] = Object.fromEntries(
    Object.entries(coverage).map(([name, one]) => [name, { held: digits(one.coverage), width: digits(one.width) }]),
  );
}
if (only.has('replays')) {
  part(`the gate on ${replays} logs each: a challenger worth just the champion (false promotions), and one worth 5 % more`);
  const same = replayGate({ replays, ratio: 1, apart: 'far', rounds: 5_000 }, every(250));
  console.log(
    `  A/A, ${same.rounds} rounds: promoted ${(100 * same.promoted).toFixed(1)} % (mean difference ${same.meanDifference.toFixed(5)})`,
  );
  const better = (
    [
      ['near', 2, replays],
      ['near', 1.5, replays],
      ['far', 2, Math.ceil(replays / 5)],
    ] as const
  ).map(([apart, timesOracle, replays]) => ({ apart, ...replayGate({ replays, ratio: 1.05, apart, timesOracle }, every(250)) }));
  for (const one of better)
    console.log(
      `  +5 %, ${one.apart}, ${one.rounds} rounds (the oracle's z-test ${one.oracleRounds}): promoted ${(100 * one.promoted).toFixed(1)} % ` +
        `(mean difference ${one.meanDifference.toFixed(5)}, truly ${one.trueDifference.toFixed(5)})`,
    );
  report['gate'] = {
    falsePromotions: digits(same.promoted),
    falsePromotionsAnytime: digits(same.promotedAnytime),
    power: better.map(({ apart, rounds, oracleRounds, promoted, promotedAnytime }) => ({
      apart,
      timesOracle: digits(rounds / oracleRounds, 2),
      rounds,
      promoted: digits(promoted),
      promotedAnytime: digits(promotedAnytime),
    })),
  };
}
if (only.has('obp')) {
  part('the Open Bandit Pipeline’s synthetic benchmark');
  if (values.python === undefined)
    console.log('  left out: --python PATH names a Python with obp (bench/peers/obp/open_obp.py says how to make one)');
  else {
    const compared = compareWithObp(values.python, { seeds, rounds: 3_000 });
    console.log(`  largest difference on the same q̂: ${compared.largestDifference.toExponential(1)}`);
    for (const [name, ratio] of Object.entries(compared.ratio))
      console.log(
        `  ${name.padEnd(6)} mean relative error ${compared.ours[name]!.toFixed(4)} beside ${compared.obp[name]!.toFixed(4)}: ratio ${ratio.toFixed(3)}`,
      );
    report['obp'] = {
      largestDifference: compared.largestDifference,
      ratio: Object.fromEntries(Object.entries(compared.ratio).map(([name, ratio]) => [name, digits(ratio)])),
    };
  }
}
if (only.has('hillstrom') && values.data !== undefined) {
  part('Hillstrom: a policy learned from half of the log, evaluated on the other; then a thinned log');
  const customers = readHillstrom(values.data);
  if (customers === null) console.log(`  left out: ${values.data} holds no hillstrom/marketing_data.csv`);
  else {
    const found = runHillstrom(customers, { splits: 20, thinnings: 40 });
    console.log(
      `  visits ${found.visits.toFixed(4)}, lower bound ${found.low.toFixed(4)} (both ways, means of 20 splits; one way ${found.visitsOneWay.toFixed(4)} and ${found.lowOneWay.toFixed(4)}; at least 0.1828 in ${(100 * found.splitsAtLeastMens).toFixed(0)} %, ` +
        `bound above 0.1514 in ${(100 * found.splitsAboveWomens).toFixed(0)} %); Mens to all on the same halves ${found.mensOnSameHalves.toFixed(4)}`,
    );
    console.log(
      `  thinned to ${found.thinnedRounds} rounds: median error of DR ${(100 * found.thinnedMedianError).toFixed(2)} %`,
      found.thinnedErrors,
    );
    report['hillstrom'] = {
      visits: digits(found.visits),
      low: digits(found.low),
      visitsOneWay: digits(found.visitsOneWay),
      mensOnSameHalves: digits(found.mensOnSameHalves),
      splitsAtLeastMens: digits(found.splitsAtLeastMens),
      splitsAboveWomens: digits(found.splitsAboveWomens),
      thinnedMedianError: digits(found.thinnedMedianError),
    };
  }
}
if (only.has('openBandit') && values.data !== undefined) {
  part('Open Bandit Dataset, small: one policy’s value by the other’s log');
  const rows = runOpenBandit(values.data, values.python ?? null);
  if (rows === null) console.log(`  left out: ${values.data} holds no open-bandit-small`);
  else {
    for (const { campaign, policy, truth, truthHalf, estimates, low, high, effectiveN, largestDifference } of rows)
      console.log(
        `  ${campaign}/${policy}: own log ${truth.toFixed(4)} ± ${truthHalf.toFixed(4)}; by the other's, worth ${effectiveN.toFixed(0)} rounds: ` +
          `${Object.entries(estimates)
            .map(([name, value]) => `${name} ${value.toFixed(4)}`)
            .join(
              ', ',
            )} (DR ${low.toFixed(4)} to ${high.toFixed(4)})${largestDifference === null ? '' : `; to obp ${largestDifference.toExponential(1)}`}`,
      );
    report['openBandit'] = rows.map(({ campaign, policy, truth, estimates, low, high, largestDifference }) => ({
      campaign,
      policy,
      truth: digits(truth),
      dr: digits(estimates['dr']!),
      covered: low <= truth && truth <= high,
      largestDifference,
    }));
  }
}
report['seconds'] = Math.round((performance.now() - began) / 1_000);
console.log(JSON.stringify(report));
