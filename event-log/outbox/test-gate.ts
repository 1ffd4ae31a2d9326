/** A log whose answers a test holds back, refuses or loses; everything else is the log behind it. */
import { EngineUnavailable } from '#contracts';
import type { AppendRecord, EventLog, Position } from '../port.ts';

/**
 * `hang`: takes nothing and does not answer until the mode changes. `deaf`: takes the records, and answers only when the mode changes.
 * `down`: refuses. `lossy`: takes the records and says that it failed.
 */
export type GateMode = 'open' | 'hang' | 'deaf' | 'down' | 'lossy';

export interface Gate extends EventLog {
  mode: GateMode;
  /** Appends that were tried. */
  attempts: number;
  /** While it is open: what happens before each append. */
  before: (records: readonly AppendRecord[]) => Promise<void>;
}

export const createGate = (log: EventLog, mode: GateMode = 'open'): Gate => {
  const append = async (records: readonly AppendRecord[]): Promise<readonly Position[]> => {
    gate.attempts += 1;
    const began = gate.mode;
    if (began === 'down') throw new EngineUnavailable('event-log', 'no broker is reachable');
    if (began === 'lossy') {
      await log.append(records);
      throw new EngineUnavailable('event-log', 'the answer was lost');
    }
    const taken = began === 'deaf' ? log.append(records) : null;
    if (began === 'open') await gate.before(records);
    else while (gate.mode === began) await new Promise((resolve) => setTimeout(resolve, 5));
    return taken ?? log.append(records);
  };
  const gate: Gate = {
    mode,
    attempts: 0,
    before: async () => undefined,
    epoch: log.epoch,
    partitions: log.partitions,
    append,
    read: (...args) => log.read(...args),
    offsets: (...args) => log.offsets(...args),
    offsetAt: (...args) => log.offsetAt(...args),
    consume: (options) => log.consume(options),
    follow: (...args) => log.follow(...args),
    committed: (...args) => log.committed(...args),
    lag: (...args) => log.lag(...args),
    retain: (options) => log.retain(options),
    close: () => log.close(),
  };
  return gate;
};
