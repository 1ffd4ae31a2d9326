/**
 * The same rows without the system around them, for tuning: generic encoder, learner and scorer in one process, a snapshot every N rows.
 * `node bench/bank/offline.ts --data DIR [--every 16] [--tuning JSON]`. Tune on the first half; the second is what the example reports.
 */
import { parseArgs } from 'node:util';
import { UNKNOWN_CUSTOMER, type ActionProfile, type Experience, type ScoringRequest } from '#contracts';
import { createLearner, type Tuning } from '../../models/learner.ts';
import { createVersion } from '../../models/scorer.ts';
import { genericEncoder } from '#models';
import { areaUnderCurve, calibration, calibrationError, logLoss, type Scored } from './metrics.ts';
import { readContacts, type BankContact } from './read-contacts.ts';

const { values } = parseArgs({
  options: {
    data: { type: 'string', default: '../shared/data/bank-additional' },
    every: { type: 'string', default: '16' },
    tuning: { type: 'string', default: '{}' },
    rows: { type: 'string' },
  },
});
const contacts = readContacts(values.data).slice(0, values.rows === undefined ? undefined : Number(values.rows));
const every = Number(values.every);

const action: ActionProfile = { id: 'term-deposit', features: {} };

const requestOf = ({ customer, call, context }: BankContact, nowMs: number): ScoringRequest => {
  const view = {
    ...UNKNOWN_CUSTOMER,
    known: true,
    attributes: { ...customer, callNumber: call['number']! },
    features: Float32Array.of(1),
    featureNames: ['calls30d'],
  };
  return { view, context, channel: 'phone', direction: 'inbound', placement: null, nowMs };
};

const learner = createLearner({
  encoder: genericEncoder(),
  loop: 'bank',
  tuning: JSON.parse(values.tuning) as Partial<Tuning>,
});
const version = createVersion(learner.versionBlob);
let scorer = version.open(learner.publish().snapshotBlob);
const out = { propensities: new Float32Array(1), effectiveN: new Float32Array(1) };
const scored: Scored[] = [];
let publishMs = 0;
const startedMs = performance.now();
const originMs = Date.UTC(2026, 0, 1);
for (let first = 0; first < contacts.length; first += every) {
  const block = contacts.slice(first, first + every);
  const requests = block.map((contact, i) => requestOf(contact, originMs + 10 * (first + i)));
  block.forEach(({ accepted }, i) => {
    scorer.score(requests[i]!, [action], out);
    scored.push({ predicted: out.propensities[0]!, truth: accepted });
  });
  block.forEach(({ accepted }, i) => {
    const experience: Experience = {
      decisionId: String(first + i),
      rank: 1,
      request: requests[i]!,
      action,
      probability: 1,
      propensity: scored[first + i]!.predicted,
      decidedAtMs: originMs + 10 * (first + i),
    };
    learner.learnShown(experience, accepted ? 1 : 0);
  });
  const before = performance.now();
  scorer = version.open(learner.publish().snapshotBlob);
  publishMs += performance.now() - before;
}

const report = (rows: readonly Scored[]): string =>
  `AUC ${areaUnderCurve(rows).toFixed(4)} log-loss ${logLoss(rows).toFixed(4)} ECE ${calibrationError(calibration(rows)).toFixed(4)}`;
const middle = Math.floor(scored.length / 2);
console.log(
  `first half ${report(scored.slice(0, middle))}; second half ${report(scored.slice(middle))}; ` +
    `${Math.round(performance.now() - startedMs)} ms, publish ${(publishMs / Math.ceil(contacts.length / every)).toFixed(2)} ms`,
);
