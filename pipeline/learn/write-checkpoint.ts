/** Writes a checkpoint of the learners, the rows in hand and the offsets as they are at one moment. */
import type { ExperienceDesk } from './experience-desk.ts';
import type { ExperienceStore, LearnCheckpoint } from './experience-store.ts';
import { learnerFileName, removeOtherLearnerFiles, writeLearnerFile } from './learner-files.ts';
import type { LearnersInHand } from './learners-in-hand.ts';

export interface CheckpointPlaces {
  readonly dir: string;
  readonly rows: Pick<ExperienceStore, 'commit'>;
  readonly desk: Pick<ExperienceDesk, 'take' | 'restore'>;
}

/** Files first, then the record that names them together with the rows: a crash in between leaves the checkpoint before. */
export const writeCheckpoint = async (
  { dir, rows, desk }: CheckpointPlaces,
  learners: Pick<LearnersInHand, 'own' | 'all'>,
  rest: Omit<LearnCheckpoint, 'learners'>,
): Promise<void> => {
  // Of one moment: nothing is awaited until all is taken.
  const taken = desk.take();
  const slots = learners.all();
  const checkpoint: LearnCheckpoint = {
    ...rest,
    offsets: { ...rest.offsets },
    learners: slots.map(({ learner, watermark }, index) => ({
      loop: learner.loop,
      version: learner.version,
      file: learnerFileName(rest.sequence, index),
      watermark,
      ...(index >= learners.own.size && { challenger: true }),
    })),
  };
  const files = slots.map(({ learner }) => learner.checkpoint());
  try {
    for (const [index, bytes] of files.entries()) await writeLearnerFile(dir, checkpoint.learners[index]!.file, bytes);
    await rows.commit({ ...taken, checkpoint });
  } catch (error) {
    desk.restore(taken);
    throw error;
  }
  await removeOtherLearnerFiles(dir, new Set(checkpoint.learners.map(({ file }) => file)));
};
