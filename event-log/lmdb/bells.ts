/** Bells tell other processes, and this one, that a topic has new records: a one-byte write to a file that all of them watch. */
import { closeSync, mkdirSync, openSync, watch, writeSync, type FSWatcher } from 'node:fs';
import { join } from 'node:path';

/** A bell is a hint. Whoever waits is also called this often, so that a lost hint costs a quarter of a second. */
const SAFETY_POLL_MS = 250;
const ONE_BYTE = Buffer.from([1]);

/** Called with the bell's name, or null when anything may have changed. */
export type Listener = (name: string | null) => void;

export class Bells {
  readonly #dir: string;
  readonly #files = new Map<string, number>();
  readonly #listeners = new Set<Listener>();
  readonly #rung = new Set<string>();
  #watcher: FSWatcher | null = null;
  #poll: NodeJS.Timeout | null = null;

  constructor(dir: string) {
    this.#dir = dir;
    mkdirSync(dir, { recursive: true });
  }

  /** Never throws. */
  ring(name: string): void {
    this.#hear(name);
    try {
      let file = this.#files.get(name);
      if (file === undefined) this.#files.set(name, (file = openSync(join(this.#dir, name), 'w')));
      writeSync(file, ONE_BYTE, 0, 1, 0);
    } catch {
      // A full disk, say: whoever misses the bell is woken by the poll.
    }
  }

  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    if (this.#poll === null) this.#start();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#stop();
    };
  }

  close(): void {
    this.#listeners.clear();
    this.#stop();
    for (const file of this.#files.values()) closeSync(file);
    this.#files.clear();
  }

  #start(): void {
    this.#poll = setInterval(() => this.#tell(null), SAFETY_POLL_MS);
    try {
      this.#watcher = watch(this.#dir, (_event, name) => this.#hear(name ?? ''));
      this.#watcher.on('error', () => this.#watcher?.close());
    } catch {
      this.#watcher = null;
    }
  }

  #stop(): void {
    if (this.#poll !== null) clearInterval(this.#poll);
    this.#poll = null;
    this.#watcher?.close();
    this.#watcher = null;
  }

  /** Many bells in one turn of the event loop are told once. */
  #hear(name: string): void {
    if (this.#listeners.size === 0) return;
    if (this.#rung.size === 0)
      setImmediate(() => {
        const names = [...this.#rung];
        this.#rung.clear();
        for (const each of names) this.#tell(each);
      });
    this.#rung.add(name);
  }

  #tell(name: string | null): void {
    for (const listener of this.#listeners) listener(name);
  }
}
