/** Brings the rows of a file into the event log: bounded work in flight, checkpoints, and nothing lost without a word. */
import { setTimeout as delay } from 'node:timers/promises';
import { AttuneError, STATE_INPUTS } from '#contracts';
import type { AppendRecord, EventLog } from '#event-log';
import type { OnProgress } from '../progress.ts';
import { NOT_BEGUN, readImportState, writeImportState, type ImportState } from './import-state.ts';
import { openRejectedRows } from './rejected-rows.ts';
import { rowToEvent, type RowDeps } from './row-to-event.ts';
import type { Source } from './source.ts';

export interface ImportDeps {
  readonly log: EventLog;
  readonly source: Source;
  readonly row: RowDeps;
  /** Where the state of this file's import is kept. */
  readonly statePath: string;
  readonly rejectedPath: string;
  /** Imports a file that was finished before once more. */
  readonly again?: boolean;
  /** The import waits while the group `state` is further behind. Null: it does not wait. */
  readonly maxLag?: number | null;
  readonly onProgress?: OnProgress;
  /** What keeps it waiting, in words. */
  readonly onWait?: (why: string) => void;
  /** Rows between checkpoints. Default 50,000. */
  readonly checkpointRows?: number;
}

/** Records of an append, and appends under way. */
const BATCH = 2_000;
const IN_FLIGHT = 4;
const CHECKPOINT = 50_000;
const LAG_EVERY = 100_000;
const RETRY_MS = 500;
const LONGEST_RETRY_MS = 10_000;
const LAG_POLL_MS = 1_000;

/** Safe to start again after it was killed: rows since the last checkpoint come again under the same ids. Throws `import.finished` for a file that was imported. */
export const importFile = async (deps: ImportDeps): Promise<ImportState> => {
  const { log, source, row, statePath, rejectedPath, checkpointRows = CHECKPOINT } = deps;
  const before = await readImportState(statePath);
  if (before.finishedAt !== null && deps.again !== true) {
    throw new AttuneError(
      'import.finished',
      `this file was imported at ${new Date(before.finishedAt).toISOString()}: ${before.accepted} rows accepted, ${before.rejected} rejected; --again imports it once more`,
    );
  }
  let state = before.finishedAt === null ? before : NOT_BEGUN;
  const rejected = await openRejectedRows(rejectedPath, source.columns, state.rejectedLength);
  const flights: Promise<void>[] = [];
  let batch: AppendRecord[] = [];
  let { line, accepted, rejected: refused } = state;
  let sinceLagAsked = 0;

  const send = async (): Promise<void> => {
    if (batch.length === 0) return;
    const flight = append(deps, batch);
    // Its failure is told when it is waited for.
    flight.catch(() => undefined);
    flights.push(flight);
    batch = [];
    if (flights.length >= IN_FLIGHT) await flights.shift();
  };
  const checkpoint = async (finishedAt: number | null): Promise<void> => {
    await send();
    while (flights.length > 0) await flights.shift();
    state = { line, accepted, rejected: refused, rejectedLength: await rejected.flush(), finishedAt };
    await writeImportState(statePath, state);
  };

  try {
    for await (const { records, share } of source.records(state.line)) {
      for (const record of records) {
        const result = rowToEvent(row, record);
        if ('fault' in result) {
          rejected.add(record, result.fault);
          refused++;
        } else {
          batch.push(result.record);
          accepted++;
        }
        line = record.line;
        if (batch.length >= BATCH) await send();
      }
      const done = accepted + refused;
      deps.onProgress?.({ phase: 'import', done, total: source.rows ?? Math.max(done, Math.round(done / Math.max(share, 1e-9))) });
      if (done - state.accepted - state.rejected >= checkpointRows) await checkpoint(null);
      sinceLagAsked += records.length;
      if (sinceLagAsked >= LAG_EVERY) {
        sinceLagAsked = 0;
        await waitForState(deps, log);
      }
    }
    await checkpoint(row.receivedAtMs());
    return state;
  } finally {
    await Promise.allSettled(flights);
    await rejected.close();
  }
};

/** An engine that is away is waited for: the rows are at hand, and nobody waits for them. */
const append = async ({ log, onWait }: ImportDeps, records: readonly AppendRecord[]): Promise<void> => {
  for (let waitMs = RETRY_MS; ; waitMs = Math.min(LONGEST_RETRY_MS, 2 * waitMs)) {
    try {
      await log.append(records);
      return;
    } catch (error) {
      if (!(error instanceof AttuneError) || !error.retriable) throw error;
      onWait?.(`the event log did not take them (${error.message}); once more in ${waitMs / 1_000} s`);
      await delay(waitMs);
    }
  }
};

const waitForState = async ({ maxLag = null, onWait }: ImportDeps, log: EventLog): Promise<void> => {
  if (maxLag === null) return;
  for (let told = false; ; told = true) {
    const lag = await log.lag('state', STATE_INPUTS);
    if (lag <= maxLag) return;
    if (!told) onWait?.(`the state role is ${lag.toLocaleString('en')} records behind; waiting until it is ${maxLag.toLocaleString('en')}`);
    await delay(LAG_POLL_MS);
  }
};
