/** The outcomes that a client may report: the standard ones and those that rewards.yaml adds. */
import { STANDARD_OUTCOMES } from '#contracts';
import type { Project } from '#project';

/** rewards.yaml itself is checked by those who reward; here only the names under `outcomes` count. */
export const outcomeNamesOf = (project: Project): ReadonlySet<string> => {
  const value = project.document('rewards.yaml')?.value;
  const outcomes = isRecord(value) ? value['outcomes'] : undefined;
  const own = isRecord(outcomes) ? Object.keys(outcomes) : Array.isArray(outcomes) ? outcomes.map(nameOf) : [];
  return new Set([...STANDARD_OUTCOMES, ...own.filter((name) => name !== '')]);
};

const nameOf = (entry: unknown): string => {
  const name = isRecord(entry) ? (entry['id'] ?? entry['name']) : entry;
  return typeof name === 'string' ? name : '';
};

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
