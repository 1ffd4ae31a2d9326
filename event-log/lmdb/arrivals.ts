/** Lets a reader sleep until one of its topics holds a record at or past its position. */
import type { Topic } from '#contracts';
import type { Bells } from './bells.ts';
import type { Reader } from './reader.ts';

/** The next offset wanted of one topic's partition. */
export interface Interest {
  readonly topic: Topic;
  readonly partition: number;
  readonly position: number;
}

interface Sleeper {
  readonly interests: readonly Interest[];
  readonly wake: () => void;
}

export class Arrivals {
  readonly #reader: Reader;
  readonly #bells: Bells;
  readonly #sleepers = new Set<Sleeper>();
  #deaf: (() => void) | null = null;

  constructor(deps: { readonly reader: Reader; readonly bells: Bells }) {
    this.#reader = deps.reader;
    this.#bells = deps.bells;
  }

  /** Resolves when there is something to read, or when `cancelled` aborts. */
  wait(interests: readonly Interest[], cancelled: AbortSignal): Promise<void> {
    if (cancelled.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const sleeper: Sleeper = {
        interests,
        wake: () => {
          this.#sleepers.delete(sleeper);
          cancelled.removeEventListener('abort', sleeper.wake);
          if (this.#sleepers.size === 0) this.#stopListening();
          resolve();
        },
      };
      this.#sleepers.add(sleeper);
      cancelled.addEventListener('abort', sleeper.wake);
      this.#deaf ??= this.#bells.listen((name) => this.#check(name));
    });
  }

  /** Listening is dear to start, so it stays for a moment longer than the last sleeper. */
  #stopListening(): void {
    setTimeout(() => {
      if (this.#sleepers.size > 0) return;
      this.#deaf?.();
      this.#deaf = null;
    }, 1_000).unref();
  }

  #check(name: string | null): void {
    this.#reader.refresh();
    const heads = new Map<Topic, ReturnType<Reader['heads']>>();
    for (const sleeper of this.#sleepers) {
      for (const { topic, partition, position } of sleeper.interests) {
        if (name !== null && name !== topic) continue;
        let head = heads.get(topic);
        if (head === undefined) heads.set(topic, (head = this.#reader.heads(topic)));
        if (head.next(partition) > position) {
          sleeper.wake();
          break;
        }
      }
    }
  }
}
