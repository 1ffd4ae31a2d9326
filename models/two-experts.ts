/**
 * A caller's loop has two learners, and the one whose predictions were the better of late serves: one for a world that moves (it forgets
 * within hundreds of rows), one for a world that stands still (features found in the rows, nothing forgotten by rows). Which world a loop
 * lives in is found by progressive validation: each row is predicted by both before either learns from it.
 */
import type { Experience } from '#contracts';
import { packArtifact, unpackArtifact } from './artifact.ts';
import type { Expert } from './expert.ts';
import { InferredLearner } from './inferred/inferred-learner.ts';
import type { Learner, Publication } from './types.ts';
import { bytesOfWords, wordsOfBytes } from './words.ts';

interface Checkpoint {
  readonly kind: 'twoExperts';
  readonly speaks: 'moving' | 'standing';
  readonly advantage: number;
  readonly squares: number;
  readonly rows: number;
  readonly loss: number;
  readonly snapshot: number;
  /** Absent in a checkpoint of before. */
  readonly nextRefresh?: number;
  readonly turnedAt?: number | null;
}

/** What a moving expert is besides: its means can be solved without a word. */
export type MovingExpert = Learner & Expert & { refresh(): void };

/** Of the sums of differences, a row. Half-life 1,000 rows. */
const MEMORY = Math.pow(2, -1 / 1_000);
/** Standard errors of the summed difference that the other must lead by. */
const LEAD = 2;
/**
 * Where there is something to choose, who speaks decides what is tried, and a learner that forgets soon forgets why it does not try. Where it is
 * better by three times LEAD the world has just turned: the other forgets too, and tries again what it had given up. Where errors are rare
 * a handful of them makes twice LEAD (4.1 standard errors were seen on shuttle, which does not turn).
 */
const SURELY = 3;
/** What was learned before the world turned weighs so many rows afterwards. */
const LEFT_ROWS = 20;
/** When it turns again within so many rows it is one that moves, and the learner for that speaks. */
const TURNS_EVERY = 2_000;
/** One row counts at most this many times the mean loss. */
const CLIP = 10;
/** A caller's reward is any number; its square must stay one, too. */
const LARGEST = 1e12;
/** The features found in fewer rows are not yet what they will be. */
const COMPARED_FROM = 512;

export class TwoExperts implements Learner {
  readonly #moving: MovingExpert;
  readonly #standing: InferredLearner;
  #speaks: Checkpoint['speaks'] = 'moving';
  /** Σ (moving error² − standing error²), and Σ of its squares. */
  #advantage = 0;
  #squares = 0;
  /** Rows, and Σ of their mean loss. */
  #rows = 0;
  #loss = 0;
  #snapshot = 0;
  /** Experiences at which the silent expert's means are solved again: it must be judged by what it could say. */
  #nextRefresh = 0;
  /** Experiences when the world turned last; null: it never has. */
  #turnedAt: number | null = null;

  constructor(moving: MovingExpert, standing: InferredLearner) {
    this.#moving = moving;
    this.#standing = standing;
  }

  get loop(): string {
    return this.#moving.loop;
  }
  get version(): string {
    return this.#moving.version;
  }
  get versionBlob(): Uint8Array {
    return this.#moving.versionBlob;
  }
  get experiences(): number {
    return this.#moving.experiences;
  }
  get effectiveN(): number {
    return this.#speaks === 'standing' ? this.#standing.effectiveN : this.#moving.effectiveN;
  }
  get carriesVariances(): boolean {
    return this.#moving.carriesVariances ?? false;
  }
  set carriesVariances(carries: boolean) {
    this.#moving.carriesVariances = carries;
  }

  learnShown(experience: Experience, reward: number): void {
    const target = bounded(reward);
    const wasReady = this.#standing.ready;
    this.#moving.learnShown(experience, target);
    this.#standing.learnShown(experience, target);
    if (this.experiences >= this.#nextRefresh) this.#refresh();
    if (wasReady) this.#compare(this.#moving.lastError ** 2, this.#standing.lastError ** 2);
    else if (this.#standing.ready) this.#speaks = 'standing';
  }

  correct(experience: Experience, oldReward: number, newReward: number | null): void {
    const oldTarget = bounded(oldReward);
    const newTarget = newReward === null ? null : bounded(newReward);
    this.#moving.correct(experience, oldTarget, newTarget);
    this.#standing.correct(experience, oldTarget, newTarget);
    if (newTarget === null || !this.#standing.ready) return;
    const before = oldTarget - newTarget;
    const [moving, standing] = [this.#moving.lastError, this.#standing.lastError];
    // What learnShown counted against the provisional target is taken back.
    this.#compare(moving ** 2 - (moving + before) ** 2, standing ** 2 - (standing + before) ** 2);
  }

  publish(after = 0): Publication {
    if (this.#speaks === 'moving') {
      const publication = this.#moving.publish(Math.max(after, this.#snapshot));
      this.#snapshot = publication.snapshot;
      return publication;
    }
    this.#snapshot = Math.max(after, this.#snapshot) + 1;
    const { version, versionBlob, experiences } = this;
    const { header, arrays } = this.#standing.snapshot(this.carriesVariances);
    const of = { version, snapshot: this.#snapshot, effectiveN: this.#standing.effectiveN };
    return {
      version,
      versionBlob,
      experiences,
      snapshot: of.snapshot,
      snapshotBlob: packArtifact({ header: { ...header, ...of }, arrays }),
    };
  }

  checkpoint(): Uint8Array {
    const header: Checkpoint = {
      kind: 'twoExperts',
      speaks: this.#speaks,
      advantage: this.#advantage,
      squares: this.#squares,
      rows: this.#rows,
      loss: this.#loss,
      snapshot: this.#snapshot,
      nextRefresh: this.#nextRefresh,
      turnedAt: this.#turnedAt,
    };
    const arrays = { moving: wordsOfBytes(this.#moving.checkpoint()), standing: wordsOfBytes(this.#standing.checkpoint()) };
    return packArtifact({ header, arrays });
  }

  /** Null: the checkpoint is another learner's. */
  static restore(bytes: Uint8Array, restoreMoving: (bytes: Uint8Array) => MovingExpert): TwoExperts | null {
    const { header, arrays } = unpackArtifact<Checkpoint>(bytes);
    if (header.kind !== 'twoExperts') return null;
    const part = (name: string): Uint8Array => bytesOfWords(arrays[name] as Int32Array);
    const learner = new TwoExperts(restoreMoving(part('moving')), InferredLearner.restore(part('standing')));
    learner.#speaks = header.speaks;
    learner.#advantage = header.advantage;
    learner.#squares = header.squares;
    learner.#rows = header.rows;
    learner.#loss = header.loss;
    learner.#snapshot = header.snapshot;
    learner.#nextRefresh = header.nextRefresh ?? 0;
    learner.#turnedAt = header.turnedAt ?? null;
    return learner;
  }

  /** The one that speaks is solved when it is published. */
  #refresh(): void {
    if (this.#speaks === 'standing') this.#moving.refresh();
    else if (this.#standing.ready) this.#standing.refresh();
    this.#nextRefresh = this.experiences + Math.max(16, Math.min(64, this.experiences / 50));
  }

  /** Of one row: the experts' squared errors. */
  #compare(moving: number, standing: number): void {
    if (this.experiences < (this.#turnedAt ?? 0) + COMPARED_FROM) return;
    this.#rows = MEMORY * this.#rows + 1;
    this.#loss = MEMORY * this.#loss + (Math.abs(moving) + Math.abs(standing)) / 2;
    const bound = (CLIP * this.#loss) / this.#rows;
    const difference = Math.max(-bound, Math.min(bound, moving - standing));
    this.#advantage = MEMORY * this.#advantage + difference;
    this.#squares = MEMORY * this.#squares + difference * difference;
    const lead = LEAD * Math.sqrt(this.#squares);
    const needed = this.#standing.candidates > 1 ? SURELY * lead : lead;
    if (this.#advantage > lead) this.#speaks = 'standing';
    else if (this.#advantage < -needed && this.#speaks === 'standing') this.#turn();
  }

  #turn(): void {
    const again = this.#turnedAt !== null && this.experiences < this.#turnedAt + TURNS_EVERY;
    if (again || this.#standing.candidates <= 1) {
      this.#speaks = 'moving';
      return;
    }
    this.#standing.forget(LEFT_ROWS);
    this.#turnedAt = this.experiences;
    this.#advantage = this.#squares = this.#rows = this.#loss = 0;
  }
}

const bounded = (reward: number): number => Math.max(-LARGEST, Math.min(LARGEST, reward));
