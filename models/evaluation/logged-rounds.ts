/** What every estimator reads: rounds of a logged policy as flat arrays, checked once. */
import { AttuneError } from '#contracts';

/** n rounds over at most K actions. An action's place means something within its round only: other rounds may have other candidates there. */
export interface LoggedRounds {
  /** K, the most candidates that a round has. */
  readonly actions: number;
  /** n: the place of the chosen action, 0 … K − 1. */
  readonly action: Int32Array;
  /** n: what came of it. */
  readonly reward: Float64Array;
  /** n: P(chosen) under the policy that logged, above 0. */
  readonly probability: Float64Array;
}

/** n × K by rows: a policy's probabilities, or predicted rewards q̂(x, a). Places past a round's candidates are 0. */
export type PerAction = Float64Array;

/**
 * Throws `evaluation.no-data` without rounds, `evaluation.invalid` naming field and row for whatever no estimator could use.
 * @param policy each row sums to 1 within 1e-3 (logged probabilities are float32); what is outside support is inside the sum
 */
export const checkRounds = (log: LoggedRounds, policy: PerAction, rewards: PerAction | null = null): void => {
  const n = log.action.length;
  const { actions: K } = log;
  if (n === 0) throw new AttuneError('evaluation.no-data', 'there are no rounds to evaluate on');
  for (const [name, length] of [
    ['reward', log.reward.length],
    ['probability', log.probability.length],
  ] as const)
    if (length !== n) throw invalid(`${name} has ${length} entries, and action has ${n}`);
  if (policy.length !== n * K) throw invalid(`policy has ${policy.length} entries, not n × K = ${n} × ${K}`);
  if (rewards !== null && rewards.length !== n * K) throw invalid(`the predicted rewards are ${rewards.length}, not n × K = ${n} × ${K}`);
  for (let i = 0; i < n; i++) {
    const a = log.action[i]!;
    const p = log.probability[i]!;
    if (!(a >= 0 && a < K)) throw invalid(`action[${i}] is ${a}, not a place below ${K}`);
    if (!(p > 0 && p <= 1 + 1e-6)) throw invalid(`probability[${i}] is ${p}: a chosen action's logging probability lies in (0, 1]`);
    if (!Number.isFinite(log.reward[i])) throw invalid(`reward[${i}] is ${log.reward[i]}`);
    let sum = 0;
    for (let k = i * K; k < (i + 1) * K; k++) {
      const e = policy[k]!;
      if (!(e >= 0)) throw invalid(`policy[${i}] gives ${e} to place ${k - i * K}`);
      if (rewards !== null && !Number.isFinite(rewards[k]))
        throw invalid(`the predicted reward of round ${i}, place ${k - i * K} is ${rewards[k]}`);
      sum += e;
    }
    if (!(Math.abs(sum - 1) < 1e-3)) throw invalid(`the probabilities of policy[${i}] sum to ${sum}, not to 1`);
  }
};

const invalid = (message: string): AttuneError => new AttuneError('evaluation.invalid', message);

/** w_i = π_e(a_i | x_i) / p_i. */
export const importanceWeights = (log: LoggedRounds, policy: PerAction): Float64Array => {
  const { actions: K, action, probability } = log;
  return Float64Array.from(action, (a, i) => policy[i * K + a]! / probability[i]!);
};

/** q̂(x_i, π_e) = Σ_a π_e(a | x_i) q̂(x_i, a), over what the policy's probabilities sum to. */
export const policyRewards = (actions: number, policy: PerAction, rewards: PerAction): Float64Array => {
  const out = new Float64Array(policy.length / actions);
  for (let i = 0, at = 0; i < out.length; i++) {
    let sum = 0;
    let mass = 0;
    for (const end = at + actions; at < end; at++) {
      sum += policy[at]! * rewards[at]!;
      mass += policy[at]!;
    }
    out[i] = sum / mass;
  }
  return out;
};
