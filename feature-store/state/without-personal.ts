/** A receipt as those may keep it who only learn from it: without the operator's id and the attributes that features.yaml marks as personal. */
import type { Decision } from '#contracts';
import { featureSetByFingerprint, type FeatureSet } from '../definitions/feature-set.ts';
import { decodeState, encodeState, fingerprintOf } from './codec.ts';

/** Throws `feature-set.unknown` when the state's definitions are not loaded. */
export const withoutPersonal = (decision: Decision, featureSet: FeatureSet): Decision => {
  const anonymous: Decision = { ...decision, subjectId: null };
  if (decision.state.length === 0) return anonymous;
  const set = featureSetByFingerprint(featureSet, fingerprintOf(decision.state));
  const state = decodeState(decision.state, set);
  let held = false;
  for (const [index, { personal }] of set.definitions.attributes.entries()) {
    if (!personal || state.attributes[index] === undefined) continue;
    state.attributes[index] = undefined;
    held = true;
  }
  return held ? { ...anonymous, state: encodeState(state, 0) } : anonymous;
};
