/** Brings into the log what a dead process had accepted and not yet handed over. */
import { readFileSync, readdirSync, statSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { decodeEntries, type JournalEntry } from './journal-entry.ts';
import { isOrphan, parseJournalFileName } from './journal.ts';

/** A journal's owner never writes to a file this old (see the journal), so it is taken over wherever its owner may live. */
const ABANDONED_MS = 15_000;

export interface OrphansDeps {
  readonly dir: string;
  /** This process's own journal. */
  readonly own: string;
  /** Resolves when the entries that the log did not have yet are on the disk. */
  readonly takeOver: (journal: string, entries: readonly JournalEntry[]) => Promise<void>;
}

/** Rejects when the log cannot take them; the files stay, to be tried again. */
export async function adoptOrphans({ dir, own, takeOver }: OrphansDeps): Promise<void> {
  for (const name of readdirSync(dir).toSorted()) {
    const file = parseJournalFileName(name);
    if (file === null || file.journal === own) continue;
    const path = join(dir, name);
    const bytes = isOrphan(file) || isAbandoned(path) ? read(path) : null;
    if (bytes === null) continue;
    await takeOver(file.journal, decodeEntries(bytes));
    remove(path);
  }
}

function isAbandoned(path: string): boolean {
  try {
    return Date.now() - statSync(path).mtimeMs > ABANDONED_MS;
  } catch {
    return false;
  }
}

/** Null when its owner or another process was faster. */
function read(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
