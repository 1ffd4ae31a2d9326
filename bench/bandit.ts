/**
 * Any labelled table as a bandit problem, through the product's own decision and learner: each class an arm, reward 1 for the right one.
 * `npm run bench:bandit -- --csv FILE --label COLUMN [--header yes|no] [--drop COLUMNS] [--rounds N] [--seeds S]`
 */
import { parseArgs } from 'node:util';
import { playSeeds } from './bandit/play-seeds.ts';
import { readTable } from './bandit/read-table.ts';

const USAGE = 'npm run bench:bandit -- --csv FILE --label COLUMN [--header yes|no] [--drop COLUMNS] [--rounds N] [--seeds S]';

const fail = (message: string): never => {
  console.error(`${message}\n${USAGE}`);
  process.exit(2);
};

const readOptions = () => {
  try {
    return parseArgs({
      options: {
        csv: { type: 'string' },
        label: { type: 'string' },
        header: { type: 'string' },
        drop: { type: 'string', default: '' },
        rounds: { type: 'string' },
        seeds: { type: 'string', default: '10' },
      },
    }).values;
  } catch (error) {
    return fail((error as Error).message);
  }
};
const options = readOptions();

const countOf = (name: string, text: string): number => {
  const count = Number(text);
  return Number.isInteger(count) && count > 0 ? count : fail(`--${name} must be a whole number above 0, not ${text}`);
};

const { csv, label, header } = options;
if (csv === undefined || label === undefined) fail(`--${csv === undefined ? 'csv' : 'label'} is missing`);
if (header !== undefined && header !== 'yes' && header !== 'no') fail(`--header must be yes or no, not ${header}`);
const seeds = countOf('seeds', options.seeds);

const read = () => {
  try {
    return readTable({
      file: csv!,
      label: label!,
      header: header === undefined ? undefined : header === 'yes',
      drop: options.drop.split(',').filter((name) => name !== ''),
    });
  } catch (error) {
    return fail((error as Error).message);
  }
};
const table = read();
const rounds = options.rounds === undefined ? table.contexts.length : countOf('rounds', options.rounds);
console.log(
  `${table.contexts.length} rows, ${table.columns.length} columns, ${table.classes.length} classes; ${rounds} rounds, ${seeds} seeds`,
);

const { bySeed: _, ...summary } = await playSeeds(
  { table, rewards: 'classification', rounds },
  seeds,
  (seed, { percentOfUniform, seconds }) => {
    console.log(
      `seed ${seed}: ${percentOfUniform.toFixed(3)} % of the uniform policy's regret, ${Math.round(rounds / seconds)} decisions/s`,
    );
  },
);
console.log(JSON.stringify({ bench: 'bandit', ...summary, rounds, seeds, classes: table.classes.length }));
