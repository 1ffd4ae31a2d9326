/** What the learner's watches have found, in the log and as gauges by loop and field. */
import type { Logger } from '../role.ts';
import type { FoundDrift } from './experience-join.ts';
import type { LearnerSlot } from './learner-slot.ts';

/** Series for each loop: those that differ most. */
const SHOWN_FIELDS = 20;

export const tellDrift = (logger: Logger, { slot, fields }: FoundDrift): void => {
  const { loop } = slot.learner;
  if (fields.length > 0) {
    const found = fields.map(({ field, psi, critical }) => ({ field, psi: round(psi), critical: round(critical) }));
    logger.warn({ loop, fields: found }, 'inputs have drifted: what decisions are asked with is no longer what the model learned from');
    return;
  }
  const { rewardShift = 0, bestHalfLife = null } = slot.drift?.report ?? {};
  logger.warn(
    { loop, shift: round(rewardShift), bestHalfLife },
    'rewards have drifted: recent outcomes are not what the model predicted; it follows by forgetting, and docs/drift.md says how to make it quicker',
  );
};

const round = (value: number): number => Number(value.toPrecision(3));

/** Names with labels, as Prometheus writes them. */
export const driftMetrics = (slots: Iterable<LearnerSlot>): Record<string, number> => {
  const metrics: Record<string, number> = {};
  for (const { learner, drift } of slots) {
    if (drift === null) continue;
    const { report } = drift;
    const loop = `loop=${JSON.stringify(learner.loop)}`;
    metrics[`driftInputAlarms{${loop}}`] = report.inputAlarms;
    metrics[`driftRewardAlarms{${loop}}`] = report.rewardAlarms;
    metrics[`driftRewardEvidence{${loop}}`] = report.rewardEvidence;
    metrics[`driftRewardShift{${loop}}`] = report.rewardShift;
    metrics[`driftBestHalfLife{${loop}}`] = report.bestHalfLife === Infinity ? 0 : (report.bestHalfLife ?? Number.NaN);
    for (const { field, psi } of report.fields.slice(0, SHOWN_FIELDS)) metrics[`driftPsi{${loop},field=${JSON.stringify(field)}}`] = psi;
  }
  return metrics;
};
