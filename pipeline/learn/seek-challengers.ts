/** Takes on the trained trunks that attune.models announces, lets them catch up, and lets go of those that retire. */
import { AttuneError } from '#contracts';
import type { ModelRecord } from '#contracts';
import type { FeatureStore } from '#feature-store';
import type { Learner } from '#models';
import type { Logger } from '../role.ts';
import { catchUpChallenger } from './challenger.ts';
import type { CatchUpDeps } from './challenger.ts';
import type { LearnersInHand } from './learners-in-hand.ts';
import type { ModelBoard } from './model-board.ts';

export interface ChallengerDeps {
  readonly board: Pick<ModelBoard, 'role' | 'contenders' | 'posted'>;
  readonly learners: LearnersInHand;
  readonly blobs: FeatureStore['blobs'];
  readonly restoreLearner: (bytes: Uint8Array) => Learner | Promise<Learner>;
  /** Null: none is taken on. */
  readonly createLearnerOf: ((versionBlob: Uint8Array) => Learner | Promise<Learner>) | null;
  readonly catchUp: () => CatchUpDeps;
  readonly logger: Logger;
  readonly failed: (error: unknown, what: string) => void;
}

/** Of a tick, for a challenger that is catching up. */
const CATCH_UP_MS = 15;
/** Of one loop: each costs what the loop's own learner costs. */
const MAX_CHALLENGERS = 3;

/** Each call goes on a little. Rejects when a store does not answer; a version that cannot be learned is reported once. */
export const createChallengerSearch = (deps: ChallengerDeps): (() => Promise<void>) => {
  const { board, learners, blobs, logger } = deps;
  const { challengers } = learners;
  /** Versions that cannot be learned here. */
  const unlearnable = new Set<string>();

  const takeOn = async (root: ModelRecord, createLearnerOf: NonNullable<ChallengerDeps['createLearnerOf']>): Promise<void> => {
    const { loop, version, role, blob } = root;
    if (challengers.has(version) || unlearnable.has(version) || learners.own.get(loop)?.learner.version === version) return;
    const rivals = [...challengers.values()].filter(({ slot }) => slot.learner.loop === loop);
    try {
      const { posterior, posteriorUntil } = board.posted(loop, version).origin;
      // Model zero of another encoder, which has stepped back or is about to.
      if (posterior === null && role !== 'challenger') return void unlearnable.add(version);
      if (rivals.length >= MAX_CHALLENGERS) {
        unlearnable.add(version);
        logger.warn(
          { loop, version, limit: MAX_CHALLENGERS },
          'too many challengers: this one is not learned until the process starts again',
        );
        return;
      }
      const bytes = await blobs.get(posterior ?? blob);
      if (bytes === null)
        throw new AttuneError('model.missing', `blob ${posterior ?? blob} of model ${version} is not in the feature store`);
      const learner = posterior === null ? await createLearnerOf(bytes) : await deps.restoreLearner(bytes);
      challengers.set(version, catchUpChallenger(learner, posteriorUntil, deps.catchUp()));
      logger.info({ loop, version, experiences: learner.experiences }, 'a challenger is learned from here on, and first catches up');
    } catch (error) {
      if ((error as { retriable?: boolean }).retriable === true) throw error;
      unlearnable.add(version);
      deps.failed(error, 'a challenger cannot be learned');
    }
  };

  return async () => {
    for (const [version, { slot }] of challengers) if (board.role(slot.learner.loop, version) === 'retired') challengers.delete(version);
    if (deps.createLearnerOf !== null) for (const root of board.contenders()) await takeOn(root, deps.createLearnerOf);
    for (const one of challengers.values()) {
      if (one.caughtUp || !('step' in one)) continue;
      await one.step(CATCH_UP_MS);
      if (!one.caughtUp) continue;
      const { loop, version, experiences: learned } = one.slot.learner;
      one.slot.dirty = true;
      logger.info({ loop, version, experiences: learned }, 'a challenger has caught up and is published');
    }
  };
};
