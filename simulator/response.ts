/** The response model: P(accept | customer, action, channel, context, time) is a logistic of need × action, drift and fatigue, between two bounds. */
import { DAY_MS, hashUnit } from '#contracts';
import { hashNormal } from './random.ts';
import type { Parameters } from './parameters.ts';

export interface ActionTaste {
  /** Unit vector in the space of needs. */
  readonly direction: Float64Array;
  readonly bias: number;
  /** Of the drift, as a share of its period. */
  readonly phase: number;
}

/** Any action id has a taste: its words name a topic, its hash does the rest. The same id and seed always give the same one. */
export const tasteOf = (actionId: string, seed: number, parameters: Parameters): ActionTaste => {
  const { needs, topics, response } = parameters;
  const direction = Float64Array.from(needs, (need) => response.actionNoise * hashNormal(`${seed}/action/${actionId}/${need}`));
  const topic = wordsOf(actionId)
    .map((word) => topics[word])
    .find((found) => found !== undefined);
  const main = topic === undefined ? Math.floor(hashUnit(`${seed}/topic/${actionId}`) * needs.length) : needs.indexOf(topic);
  direction[main]! += 1;
  const length = Math.hypot(...direction);
  for (let i = 0; i < direction.length; i++) direction[i]! /= length;
  return {
    direction,
    bias: response.actionBiasSd * hashNormal(`${seed}/bias/${actionId}`),
    phase: hashUnit(`${seed}/phase/${actionId}`),
  };
};

/** `tvSportPass` and `tv-sport-pass` are the same words. */
const wordsOf = (actionId: string): readonly string[] =>
  actionId
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/);

export interface Situation {
  readonly needs: Float64Array;
  /** The customer is met on the preferred channel. */
  readonly preferred: boolean;
  readonly outbound: boolean;
  readonly nowMs: number;
  /** Recent showings of this action to this customer, decayed. */
  readonly fatigue: number;
}

export const acceptance = (taste: ActionTaste, situation: Situation, { response }: Parameters): number => {
  let fit = 0;
  for (let i = 0; i < taste.direction.length; i++) fit += taste.direction[i]! * situation.needs[i]!;
  const drift = response.driftAmplitude * Math.sin(2 * Math.PI * (situation.nowMs / (response.driftPeriodDays * DAY_MS) + taste.phase));
  const z =
    response.bias +
    response.needScale * fit +
    taste.bias +
    drift +
    (situation.preferred ? response.preferredChannel : 0) +
    (situation.outbound ? response.outbound : 0) -
    response.fatiguePerShowing * situation.fatigue;
  return response.lowest + (response.highest - response.lowest) / (1 + Math.exp(-z));
};
