/** The named sets, read as they are published, with their reward definitions and targets. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { recordsOf, tableOf, type LabelledTable } from '../bandit/read-table.ts';

export interface ShowdownSet {
  readonly name: string;
  readonly rounds: number;
  readonly rewards: 'classification' | 'mushrooms';
  /** % of the uniform policy's regret. */
  readonly target: number;
  read(data: string): LabelledTable;
}

const text = (data: string, ...path: string[]): string => gunzipSync(readFileSync(join(data, ...path))).toString('utf8');

export const SETS: readonly ShowdownSet[] = [
  {
    name: 'shuttle',
    rounds: 43_500,
    rewards: 'classification',
    target: 1,
    read: (data) => tableOf(recordsOf(text(data, 'shuttle', 'shuttle.trn.gz')), { file: 'shuttle.trn', label: '9', header: false }),
  },
  {
    name: 'mushroom',
    rounds: 50_000,
    rewards: 'mushrooms',
    target: 1.8,
    read: (data) =>
      tableOf(recordsOf(text(data, 'mushroom', 'agaricus-lepiota.data.gz')), { file: 'agaricus-lepiota.data', label: '0', header: true }),
  },
  {
    name: 'covertype',
    rounds: 50_000,
    rewards: 'classification',
    target: 31,
    read: (data) => tableOf(recordsOf(text(data, 'covertype', 'test.csv.gz')), { file: 'test.csv', label: 'Cover_Type', header: true }),
  },
  {
    name: 'adult',
    rounds: 45_222,
    rewards: 'classification',
    target: 73,
    read: (data) => {
      const rows = ['adult-train.csv.gz', 'adult-test.csv.gz'].flatMap((file) => recordsOf(text(data, 'adult', file)));
      // Rows with an unknown value are left out, as in the showdown; the income of the test file ends in a full stop.
      const whole = rows
        .filter((row) => row.length === 15 && !row.includes('?'))
        .map((row) => row.map((value) => value.replace(/\.$/, '')));
      return tableOf(whole, { file: 'adult', label: '6', header: false });
    },
  },
  {
    name: 'optdigits',
    rounds: 5_620,
    rewards: 'classification',
    target: 9,
    read: (data) => {
      const arff = text(data, 'optdigits', 'optdigits.arff.gz');
      const rows = arff
        .slice(arff.search(/^@data/im))
        .split('\n')
        .slice(1)
        .filter((line) => /^\s*\d/.test(line));
      return tableOf(recordsOf(`${rows.join('\n')}\n`), { file: 'optdigits.arff', label: '64', header: false });
    },
  },
];
