/** Rows in hand: what changed since the last checkpoint stays in memory, so that a crash forgets rows and statistics together. */
import type { ErasedCustomer, ExperienceRow, ExperienceStore, LearnedRow } from './experience-store.ts';

/** A desk with more rows is written to the store before its time. */
export const MAX_IN_HAND = 20_000;

export interface MutableRow extends ExperienceRow {
  decision: Buffer | null;
  customerKey: string | null;
  readonly rows: Map<number, LearnedRow>;
}

export interface ExperienceDesk {
  /** Rows that a checkpoint must write. */
  readonly size: number;
  /** The row to change; it counts as changed. */
  row(decisionId: string): MutableRow;
  /** Rows in hand of decisions after the one, up to the other. */
  within(after: string, upTo: string): readonly ExperienceRow[];
  forget(erased: ErasedCustomer): void;
  /** Takes what a checkpoint must write; `restore` gives it back when the write failed. */
  take(): { readonly rows: readonly MutableRow[]; readonly erased: readonly ErasedCustomer[] };
  restore(taken: { readonly rows: readonly MutableRow[]; readonly erased: readonly ErasedCustomer[] }): void;
}

export const createExperienceDesk = (store: Pick<ExperienceStore, 'read'>): ExperienceDesk => {
  const changed = new Map<string, MutableRow>();
  /** Taken, not yet known to be written: still newer than the store. */
  let taken = new Map<string, MutableRow>();
  let erased: ErasedCustomer[] = [];
  return {
    get size() {
      return changed.size + erased.length;
    },
    row(decisionId) {
      let row = changed.get(decisionId);
      if (row !== undefined) return row;
      const before = taken.get(decisionId) ?? store.read(decisionId);
      row = { decisionId, decision: before?.decision ?? null, customerKey: before?.customerKey ?? null, rows: new Map(before?.rows) };
      changed.set(decisionId, row);
      return row;
    },
    within: (after, upTo) =>
      [...new Map([...taken, ...changed]).values()].filter(({ decisionId }) => decisionId > after && decisionId <= upTo),
    forget(customer) {
      erased.push(customer);
      for (const rows of [changed, taken]) {
        for (const [id, row] of rows) {
          if (row.customerKey === customer.customerKey && parseInt(id.slice(0, 12), 16) <= customer.erasedAtMs) rows.delete(id);
        }
      }
    },
    take() {
      const out = { rows: [...changed.values()].map((row) => ({ ...row, rows: new Map(row.rows) })), erased };
      taken = new Map(out.rows.map((row) => [row.decisionId, row]));
      changed.clear();
      erased = [];
      return out;
    },
    restore(out) {
      for (const row of out.rows) if (!changed.has(row.decisionId)) changed.set(row.decisionId, row);
      erased = [...out.erased, ...erased];
    },
  };
};
