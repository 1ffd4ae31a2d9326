/** An evaluation as a person reads it: what was evaluated, how much the log knows of it, the estimates, and which of them to go by. */
import {
  ESTIMATOR_NAMES,
  tellLeftOut,
  type Bounds,
  type PolicyEvaluation,
  type SlotAssumption,
  type SlotEvaluation,
} from '#models/evaluation';

interface Told {
  readonly name: string;
  readonly loop: string;
  readonly unscored: number;
  readonly withoutCatalog: number;
  readonly found: PolicyEvaluation;
  /** Null: slot 1 alone. */
  readonly slots: SlotEvaluation | null;
}

export const renderEvaluation = ({ name, loop, unscored, withoutCatalog, found, slots }: Told): string => {
  const { decisions, customers, fromMs, toMs, level, logged, support, certain, leftOut, estimates, differences, intervals, lambda } = found;
  const dropped = [
    ...(Object.values(leftOut).some((n) => n > 0) ? [tellLeftOut(leftOut)] : []),
    ...(unscored > 0 ? [`${count(unscored)} from before there was a snapshot of the model that had not learned from them`] : []),
    ...(withoutCatalog > 0 ? [`${count(withoutCatalog)} whose catalog is gone`] : []),
  ];
  const interval = `${Math.round(1000 * level) / 10} % interval`;
  return [
    line('policy', name),
    line(
      'log',
      `${count(decisions)} decisions of ${count(customers)} customers, ${day(fromMs)} to ${day(toMs)}${loop === '' ? '' : `, loop ${loop}`}; slot 1 of each`,
    ),
    ...(dropped.length === 0 ? [] : [line('', dropped.join('; '))]),
    line(
      'support',
      `worth ${count(Math.floor(support.effectiveN))} decisions by the policy itself; largest weight ${short(support.largestWeight)}, ${percent(support.largestShare)} of all`,
    ),
    line(
      '',
      `${percent(support.outside)} of its choices are outside support, and taken as the log made them; ${percent(certain / decisions)} of decisions were certain`,
    ),
    line('as logged', short(logged)),
    '',
    `  ${'estimator'.padEnd(22)}${'value'.padStart(10)}   ${interval.padEnd(24)}${'less logged'.padStart(12)}   ${interval}`,
    ...ESTIMATOR_NAMES.map(
      (estimator) =>
        `${estimator === 'dr' ? '*' : ' '} ${(estimator === 'dros' ? `DRos (λ ${short(lambda)})` : estimator.toUpperCase()).padEnd(22)}` +
        `${short(estimates[estimator].value).padStart(10)}   ${range(estimates[estimator]).padEnd(24)}${signed(differences[estimator].value).padStart(12)}   ${range(differences[estimator])}`,
    ),
    '',
    ...intervals.map((one) => `  ${`${one.method}, ${one.of.toUpperCase().replace('DIFFERENCE', 'less logged')}`.padEnd(42)}${range(one)}`),
    '',
    verdict(found),
    ...(slots === null ? [] : ['', ...tellSlots(slots, interval)]),
  ].join('\n');
};

const ASSUMED: Readonly<Record<SlotAssumption, string>> = {
  first: 'only slot 1 counts',
  independent: 'a slot’s reward depends on its own action alone, behind what was logged above it',
  cascade: 'a slot’s reward depends on its own action and those above it',
  standard: 'a slot’s reward depends on the whole answer',
};

const tellSlots = ({ assumption, slots, logged, total, difference }: SlotEvaluation, interval: string): string[] => [
  line(
    'all slots',
    `${assumption}, which assumes that ${ASSUMED[assumption]}; IPS. What lies outside support below slot 1 counts as worth 0`,
  ),
  `  ${'slot'.padEnd(6)}${'filled'.padStart(10)}${'as logged'.padStart(12)}${'value'.padStart(12)}${'worth decisions'.padStart(18)}${'largest weight'.padStart(17)}`,
  ...slots.map(
    ({ rank, filled, logged: was, value, effectiveN, largestWeight }) =>
      `  ${String(rank).padEnd(6)}${count(filled).padStart(10)}${short(was).padStart(12)}${short(value).padStart(12)}${count(Math.floor(effectiveN)).padStart(18)}${short(largestWeight).padStart(17)}`,
  ),
  `  all together ${short(total.value)}, ${interval} ${range(total)}; as logged ${short(logged)}, less logged ${signed(difference.value)}, ${range(difference)}`,
];

/** By DR's paired difference, unless the log knows too little of the policy. */
const verdict = ({ differences: { dr }, support, decisions }: PolicyEvaluation): string => {
  if (support.effectiveN < 100 || support.largestShare > 0.05)
    return `The log knows too little of this policy: ${count(decisions)} decisions are worth ${count(Math.floor(support.effectiveN))} of its own, and the largest weight has ${percent(support.largestShare)}. Go by none of these.`;
  if (dr.low! > 0) return '* Go by DR. The policy is worth more than what was logged.';
  if (dr.high! < 0) return '* Go by DR. The policy is worth less than what was logged.';
  return '* Go by DR. The log cannot tell the policy from what was logged: its interval of the difference holds 0.';
};

const line = (label: string, text: string): string => `${label.padEnd(11)} ${text}`;
const count = (n: number): string => n.toLocaleString('en');
const short = (x: number): string => (Number.isFinite(x) ? String(Number(x.toPrecision(4))) : x === Infinity ? '∞' : String(x));
const signed = (x: number): string => `${x < 0 ? '−' : '+'}${short(Math.abs(x))}`;
const percent = (share: number): string => `${Number((100 * share).toPrecision(2))} %`;
const range = ({ low, high }: Bounds): string => (low === null || high === null ? 'none: biased' : `${minus(low)} to ${minus(high)}`);
const minus = (x: number): string => (x < 0 ? `−${short(-x)}` : short(x));
const day = (ms: number): string => new Date(ms).toISOString().slice(0, 16).replace('T', ' ');
