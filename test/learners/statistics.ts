/** What a learner's checkpoint holds, made comparable: sums over experiences, whatever order they came in. */
import { join } from 'node:path';
import { unpackArtifact } from '../../models/artifact.ts';
import { openExperienceStore } from '../../pipeline/learn/experience-store.ts';
import { readLearnerFile } from '../../pipeline/learn/learner-files.ts';

interface Header {
  readonly experiences: number;
  readonly weight: number;
  readonly owns: readonly { readonly id: string; readonly weight: number; readonly columns: readonly number[] }[];
}

export interface Statistics {
  readonly experiences: number;
  /** A row's weight grows from the first row's time, which may be another one: all sums are told in units of the whole weight. */
  readonly sums: ReadonlyMap<string, number>;
}

/** Of the catalog's learner, as the home's last checkpoint has it. */
export const statisticsOfHome = async (home: string): Promise<Statistics> => {
  const rows = openExperienceStore({ dir: home });
  const checkpoint = rows.checkpoint();
  await rows.close();
  const entry = checkpoint?.learners.find(({ loop }) => loop === '');
  if (entry === undefined) throw new Error(`${join(home)} has no checkpoint`);
  return statisticsOf(await readLearnerFile(home, entry.file));
};

const statisticsOf = (bytes: Uint8Array): Statistics => {
  const { header, arrays } = unpackArtifact<Header>(bytes);
  const array = (name: string): Float64Array => arrays[name] as Float64Array;
  const sums = new Map<string, number>();
  const note = (name: string, value: number): void => void sums.set(name, value / header.weight);
  const met = arrays['sharedMet'] as Int32Array;
  for (let i = 0; i < met.length; i++) {
    note(`shared b ${met[i]}`, array('sharedB')[i]!);
    for (let j = 0; j <= i; j++)
      note(`shared a ${[met[i]!, met[j]!].toSorted((one, other) => one - other).join(' ')}`, array('sharedA')[(i * (i + 1)) / 2 + j]!);
  }
  header.owns.forEach(({ id, weight, columns }, k) => {
    note(`${id} weight`, weight);
    array(`a${k}`).forEach((value, i) => note(`${id} a ${i}`, value));
    const b = array(`b${k}`);
    b.forEach((value, i) => note(`${id} b ${i}`, value));
    columns.forEach((place, column) => {
      for (let i = 0; i < b.length; i++) note(`${id} c ${place} ${i}`, array(`c${k}`)[column * b.length + i]!);
    });
  });
  return { experiences: header.experiences, sums };
};

/** The largest difference of two sums, as a part of the largest sum. */
export const differenceOf = (one: Statistics, other: Statistics): number => {
  let largest = 0;
  let difference = 0;
  for (const name of new Set([...one.sums.keys(), ...other.sums.keys()])) {
    const [a, b] = [one.sums.get(name) ?? 0, other.sums.get(name) ?? 0];
    largest = Math.max(largest, Math.abs(a), Math.abs(b));
    difference = Math.max(difference, Math.abs(a - b));
  }
  return difference / largest;
};
