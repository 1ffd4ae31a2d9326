/** A stream of moments and arms whose rewards change while it runs, played through the product's own learner, scorer and decision. */
import { UNKNOWN_CUSTOMER, type ActionProfile, type CustomerView, type Experience, type Scorer, type ScoringRequest } from '#contracts';
import { decide, type Catalog } from '#decisioning';
import { createLearner, createVersion, genericEncoder } from '#models';
import { createUniformState, nextUniform, seedUniform } from '#models/exploration';

export interface World {
  readonly seed: number;
  readonly rounds: number;
  /** Arms at a round, by number; each keeps its number. */
  readonly armsAt: (round: number) => readonly number[];
  /** P(reward) of an arm for a segment at a round. */
  readonly rateAt: (round: number, segment: number, arm: number) => number;
  readonly segments: number;
  readonly catalog: Catalog;
}

export interface Played {
  /** Of the arm that was chosen: its true rate. */
  readonly expected: Float32Array;
  /** The best rate there was. */
  readonly best: Float32Array;
  readonly chosen: Int16Array;
}

/** As the learn role would at some hundred outcomes a second. */
const PUBLISH_EVERY = 25;
const START_MS = 1_760_000_000_000;

export const playWorld = ({ seed, rounds, armsAt, rateAt, segments, catalog }: World): Played => {
  const uniforms = createUniformState();
  seedUniform(uniforms, seed * 7_919 + 1);
  const next = (): number => nextUniform(uniforms);
  const learner = createLearner({ encoder: genericEncoder(), loop: 'drift', seed });
  const version = createVersion(learner.versionBlob);
  let scorer: Scorer | null = null;
  const profiles = new Map<number, ActionProfile>();
  const profileOf = (arm: number): ActionProfile => {
    let profile = profiles.get(arm);
    if (profile === undefined) profiles.set(arm, (profile = { id: `arm-${arm}`, features: {} }));
    return profile;
  };
  const played = { expected: new Float32Array(rounds), best: new Float32Array(rounds), chosen: new Int16Array(rounds) };
  for (let round = 0; round < rounds; round++) {
    const segment = Math.floor(next() * segments);
    const arms = armsAt(round);
    const request = requestOf(segment, next(), START_MS + round * 1_000);
    const verdict = decide({
      catalog,
      ...request,
      scorer,
      controls: null,
      limit: 1,
      ownCandidates: arms.map(profileOf),
      seed: Math.floor(next() * 2 ** 53),
      group: 'model',
    });
    const { index, probability, propensity } = verdict.chosen[0]!;
    const arm = arms[index]!;
    const rate = rateAt(round, segment, arm);
    const experience: Experience = {
      decisionId: `${round}`,
      rank: 1,
      request,
      action: profileOf(arm),
      probability,
      propensity,
      decidedAtMs: request.nowMs,
    };
    learner.learnShown(experience, next() < rate ? 1 : 0);
    if (round % PUBLISH_EVERY === PUBLISH_EVERY - 1) scorer = version.open(learner.publish().snapshotBlob);
    played.expected[round] = rate;
    played.best[round] = Math.max(...arms.map((other) => rateAt(round, segment, other)));
    played.chosen[round] = arm;
  }
  return played;
};

const requestOf = (segment: number, noise: number, nowMs: number): ScoringRequest => {
  const view: CustomerView = {
    ...UNKNOWN_CUSTOMER,
    known: true,
    attributes: { segment: `s${segment}`, region: `r${Math.floor(noise * 7)}` },
  };
  return { view, context: {}, channel: 'app', direction: 'inbound', placement: null, nowMs };
};

/** Mean over [from, to). */
export const meanOf = (values: ArrayLike<number>, from: number, to: number): number => {
  let sum = 0;
  for (let i = from; i < to; i++) sum += values[i]!;
  return sum / (to - from);
};
