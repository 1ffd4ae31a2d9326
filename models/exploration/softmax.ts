/** Softmax (Boltzmann) exploration: p(a) ∝ exp(s_a / T) with the priorities scaled to [0, 1] per decision (Sutton & Barto, 2nd ed., §2.8). */
import { exactExp } from './exact-exp.ts';
import { scalePriorities } from './scale-priorities.ts';

/** @param temperature on the decision's scale: at 0.1 an arm that is worth a tenth of the best one's less is e times rarer */
export const softmax = (priorities: ArrayLike<number>, count: number, temperature: number, out: Float64Array): Float64Array => {
  scalePriorities(priorities, count, out);
  const rate = 1 / Math.max(temperature, 1e-9);
  let sum = 0;
  for (let i = 0; i < count; i++) sum += out[i] = exactExp((out[i]! - 1) * rate);
  for (let i = 0; i < count; i++) out[i] = out[i]! / sum;
  return out;
};
