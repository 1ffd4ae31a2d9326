/**
 * Teaches a learner somebody's historical log. Nothing of it enters the event log: what was decided elsewhere is in a model's posterior and nowhere
 * else, so no evaluation can take it for Attune's own decisions.
 *
 * Where the log says how likely each action was, a row counts 1/(K p), at most `cap`, with K the number of actions: as if they had been drawn
 * evenly. What the learner is taught are whole rows, so a weight of 1.3 is one row, and in three of ten cases two (a hash of the row decides).
 */
import { AttuneError, hashUnit } from '#contracts';
import type { Learner } from '#models';
import type { OnProgress } from '../progress.ts';
import type { Source, SourceRecord } from '../import/source.ts';
import { textOfCell } from '../import/text-of-cell.ts';
import { rowToExperience, type HistoryDeps } from './row-to-experience.ts';

export interface WarmStartDeps extends HistoryDeps {
  readonly source: Source;
  readonly learner: Learner;
  /** Of a row's weight. */
  readonly cap: number;
  /** Rows that cannot be used, before the whole is refused. */
  readonly mostFaults: number;
  /** Each row that cannot be used, with its line. */
  readonly onFault: (line: number, why: string) => void;
  readonly onProgress?: OnProgress;
}

export interface WarmStarted {
  readonly rows: number;
  /** Times that the learner was taught one. */
  readonly taught: number;
  readonly refused: number;
  readonly actions: number;
  readonly meanReward: number;
  readonly isWeighted: boolean;
}

/** Throws `warm-start.faults` when more rows than `mostFaults` cannot be used, `warm-start.empty` when none can. */
export const warmStart = async (deps: WarmStartDeps): Promise<WarmStarted> => {
  const actions = await actionsOf(deps);
  let [rows, taught, refused, sum] = [0, 0, 0, 0];
  let isWeighted = false;
  for await (const { records, share } of deps.source.records(0)) {
    for (const record of records) {
      const row = rowToExperience(deps, record);
      if ('fault' in row) {
        deps.onFault(record.line, row.fault);
        if (++refused > deps.mostFaults)
          throw new AttuneError(
            'warm-start.faults',
            `more than ${deps.mostFaults} rows cannot be used, the last one in line ${record.line}: it ${row.fault}; nothing was learned`,
          );
        continue;
      }
      rows++;
      sum += row.reward;
      isWeighted ||= row.probability !== null;
      const weight = row.probability === null ? 1 : Math.min(deps.cap, 1 / (actions * row.probability));
      const times = Math.floor(weight + hashUnit(row.experience.decisionId));
      for (let time = 0; time < times; time++) deps.learner.learnShown(row.experience, row.reward);
      taught += times;
    }
    deps.onProgress?.({
      phase: 'warm start',
      done: rows + refused,
      total: deps.source.rows ?? Math.max(rows, Math.round((rows + refused) / Math.max(share, 1e-9))),
    });
  }
  if (rows === 0) throw new AttuneError('warm-start.empty', 'the file has no row that can be used');
  return { rows, taught, refused, actions, meanReward: sum / rows, isWeighted };
};

/** How many there were to choose from, as far as the log shows. */
const actionsOf = async ({ source, plan }: WarmStartDeps): Promise<number> => {
  const names = new Set<string>();
  const nameOf = ({ values }: SourceRecord): string => textOfCell(values[plan.action]).trim();
  for await (const { records } of source.records(0)) for (const record of records) if (record.fault === null) names.add(nameOf(record));
  return Math.max(1, names.size);
};
