/**
 * A model version that learns beside the loop's own learner: taught the kept rows in the order of their decisions, a little at a time,
 * while what is learned meanwhile reaches it only behind that point. So nothing waits for it, and it ends with every row once.
 */
import { decisionCodec } from '#contracts';
import type { Decision } from '#contracts';
import type { Learner } from '#models';
import type { ExperienceDesk } from './experience-desk.ts';
import type { ExperienceJoin } from './experience-join.ts';
import type { ProfileOf } from './experience-of.ts';
import type { ExperienceRow, ExperienceStore } from './experience-store.ts';
import { firstIdAt } from './experience-store.ts';
import { slotFor } from './learner-slot.ts';
import type { LearnerSlot } from './learner-slot.ts';

export interface Challenger {
  readonly slot: LearnerSlot;
  /** True: what is learned of this decision now concerns the challenger too; false: its posterior holds the row, or it will meet it by itself. */
  hasReached(decisionId: string): boolean;
  /** It holds all that the loop's own learner does. */
  readonly caughtUp: boolean;
}

export interface CatchingUpChallenger extends Challenger {
  /** Goes on for about `budgetMs`. */
  step(budgetMs: number): Promise<void>;
}

/** After every decision's id. */
const EVERYTHING = 'g';
const CHUNK_ROWS = 64;

/** @param learnedUntilMs its posterior's: a learner that begins with the log hears of those decisions again */
export const caughtUpChallenger = (learner: Learner, watermark: number, learnedUntilMs: number): Challenger => ({
  slot: slotFor(learner, watermark),
  hasReached: (decisionId) => decisionId >= firstIdAt(learnedUntilMs),
  caughtUp: true,
});

export interface CatchUpDeps {
  readonly rows: Pick<ExperienceStore, 'scan'>;
  readonly desk: () => Pick<ExperienceDesk, 'within'>;
  readonly join: Pick<ExperienceJoin, 'prepare' | 'teach'>;
}

interface Prepared {
  readonly decision: Decision;
  readonly profileOf: ProfileOf | null;
}

/** @param learnedUntilMs it has learned from all decisions made before this already */
export const catchUpChallenger = (learner: Learner, learnedUntilMs: number, { rows, desk, join }: CatchUpDeps): CatchingUpChallenger => {
  const slot = slotFor(learner);
  const first = firstIdAt(learnedUntilMs);
  let reached = first;

  /** The next rows as they are now, the desk's newer ones among them, and how far that is. */
  const nextChunk = (): { readonly chunk: readonly ExperienceRow[]; readonly end: string } => {
    const stored: ExperienceRow[] = [];
    for (const row of rows.scan(reached)) if (stored.push(row) === CHUNK_ROWS) break;
    const end = stored.length < CHUNK_ROWS ? EVERYTHING : stored.at(-1)!.decisionId;
    const inHand = desk().within(reached, end);
    const ids = new Set(inHand.map(({ decisionId }) => decisionId));
    return { chunk: [...stored.filter(({ decisionId }) => !ids.has(decisionId)), ...inHand], end };
  };

  const advance = async (): Promise<void> => {
    const prepared = new Map<string, Prepared>();
    for (;;) {
      const { chunk, end } = nextChunk();
      const missing = chunk.filter(({ decisionId, decision }) => decision !== null && !prepared.has(decisionId));
      if (missing.length === 0) {
        // From here nothing waits: what is learned next finds the challenger at its new point.
        for (const row of chunk) {
          const known = prepared.get(row.decisionId);
          if (known === undefined || known.profileOf === null) continue;
          if (join.teach(learner, row, known.decision, known.profileOf) > 0) slot.dirty = slot.unsolved = true;
        }
        reached = end;
        return;
      }
      for (const { decisionId, decision: bytes } of missing) {
        const decision = decisionCodec.decode(bytes!);
        prepared.set(decisionId, { decision, profileOf: decision.loop === learner.loop ? await join.prepare(decision) : null });
      }
    }
  };

  return {
    slot,
    hasReached: (decisionId) => decisionId >= first && decisionId <= reached,
    get caughtUp() {
      return reached === EVERYTHING;
    },
    async step(budgetMs) {
      const endMs = performance.now() + budgetMs;
      do await advance();
      while (!this.caughtUp && performance.now() < endMs);
    },
  };
};
