/** One row of a historical log as an experience, or why it is none. */
import { UNKNOWN_CUSTOMER } from '#contracts';
import type { ActionProfile, AttributeValue, CustomerView, Experience } from '#contracts';
import { textOfCell } from '../import/text-of-cell.ts';
import type { SourceRecord } from '../import/source.ts';
import type { HistoryPlan } from './plan-history.ts';

export interface HistoryRow {
  readonly experience: Experience;
  readonly reward: number;
  /** Null: not known. */
  readonly probability: number | null;
}

export interface HistoryDeps {
  readonly plan: HistoryPlan;
  /** Names the file in the rows' ids. */
  readonly fileHash: string;
  /** Of rows without a time. */
  readonly atMs: number;
  /** Null: there is no such action. */
  readonly profileOf: (action: string) => ActionProfile | null;
  /** In the order in which the encoder reads features; empty for the caller's own candidates. */
  readonly features: { readonly names: readonly string[]; readonly defaults: ArrayLike<number>; readonly fingerprint: string };
  readonly isAttribute: (name: string) => boolean;
  /** The loop learns P(accepted): a reward is from 0 to 1. */
  readonly learnsRates: boolean;
}

export const rowToExperience = (deps: HistoryDeps, { line, values, fault }: SourceRecord): HistoryRow | { readonly fault: string } => {
  if (fault !== null) return { fault };
  const { plan, features } = deps;
  const text = (index: number): string => textOfCell(values[index]).trim();
  const name = text(plan.action);
  if (name === '') return { fault: 'names no action' };
  const action = deps.profileOf(name);
  if (action === null) return { fault: `names "${name}", which is not an action of the catalog` };
  const reward = numberOf(text(plan.reward));
  if (reward === null) return { fault: `has the reward "${text(plan.reward)}", which is no number` };
  if (deps.learnsRates && (reward < 0 || reward > 1))
    return { fault: `has the reward ${reward}; the catalog's model learns whether an action was accepted, from 0 to 1` };
  const given = plan.probability === null ? '' : text(plan.probability);
  const probability = given === '' ? null : numberOf(given);
  if (given !== '' && (probability === null || probability <= 0 || probability > 1))
    return { fault: `has the probability "${given}", which is not above 0 and up to 1` };
  const when = plan.time === null ? '' : text(plan.time);
  const decidedAtMs = when === '' ? deps.atMs : timeOf(when);
  if (decidedAtMs === null) return { fault: `has the time "${when}", which is neither ISO 8601 nor a number since 1970` };

  const attributes: Record<string, AttributeValue> = {};
  const context: Record<string, AttributeValue> = {};
  const vector = Float32Array.from(features.defaults);
  for (const { index, name: known } of plan.known) {
    const value = scalarOf(values[index], text(index));
    if (value === null) continue;
    const feature = features.names.indexOf(known);
    if (feature >= 0) vector[feature] = Number(value);
    else if (deps.isAttribute(known)) attributes[known] = value;
    else context[known] = value;
  }
  const view: CustomerView = {
    ...UNKNOWN_CUSTOMER,
    known: true,
    attributes,
    features: vector,
    featureNames: features.names,
    featureSet: features.fingerprint,
  };
  const channel = plan.channel === null ? '' : text(plan.channel);
  const request = { view, context, channel, direction: 'inbound', placement: null, nowMs: decidedAtMs } as const;
  const id = `${deps.fileHash}/${line}`;
  return {
    experience: { decisionId: id, rank: 1, request, action, probability: probability ?? 1, propensity: 0, decidedAtMs },
    reward,
    probability,
  };
};

const numberOf = (text: string): number | null => {
  const value = text === '' ? NaN : Number(text);
  return Number.isFinite(value) ? value : null;
};

/** Numbers below 10¹¹ are seconds. */
const timeOf = (text: string): number | null => {
  const number = numberOf(text);
  if (number !== null) return number < 1e11 ? number * 1_000 : number;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? null : ms;
};

/** As a decision's context would have it; null: nothing is known. */
const scalarOf = (cell: unknown, text: string): AttributeValue | null => {
  if (text === '') return null;
  if (typeof cell === 'boolean') return cell;
  if (text === 'true' || text === 'false') return text === 'true';
  return numberOf(text) ?? text;
};
