/** What Redis acknowledged and forgot is noticed before anything is built on it: the gate shuts when a writing connection ends. */
import { setTimeout as delay } from 'node:timers/promises';
import { EngineUnavailable } from '#contracts';
import type { Node } from './node.ts';

export interface LossGate {
  /** Throws while it is not known that nothing was lost, or what was lost is not yet made good. */
  pass(): void;
  /** @param lost true: it is known that something may be lost; false: the nodes are asked */
  shut(lost: boolean): void;
  onLoss(listener: () => Promise<void>): () => void;
  close(): void;
}

export interface LossGateDeps {
  readonly owners: () => readonly Node[];
  /** Every time something may have been lost, before the listeners. */
  readonly onShut: () => void;
}

const AGAIN_MS = 50;
const LISTENERS_AGAIN_MS = 500;

/** @param first what the owners said of themselves at the beginning */
export const createLossGate = (deps: LossGateDeps, first: ReadonlyMap<string, string>): LossGate => {
  const listeners = new Set<() => Promise<void>>();
  let known = first;
  let isOpen = true;
  let isClosed = false;
  let lost = false;
  let times = 0;
  let recovering: Promise<void> | undefined;

  const recover = async (): Promise<void> => {
    for (;;) {
      if (isClosed) return;
      const before = times;
      const now = await identitiesOf(deps.owners()).catch(() => null);
      if (now === null) {
        await delay(AGAIN_MS, undefined, { ref: false });
        continue;
      }
      for (const [name, identity] of now) lost ||= known.get(name) !== identity;
      if (lost && !(await tell())) {
        await delay(LISTENERS_AGAIN_MS, undefined, { ref: false });
        continue;
      }
      if (times !== before) continue;
      known = now;
      lost = false;
      isOpen = true;
      return;
    }
  };
  const tell = async (): Promise<boolean> =>
    (await Promise.allSettled([...listeners].map((listener) => listener()))).every(({ status }) => status === 'fulfilled');

  return {
    pass() {
      if (!isOpen)
        throw new EngineUnavailable('feature-store', 'a connection to Redis ended; commits go on when it is known that none was lost');
    },
    shut(isLost) {
      if (isClosed) return;
      isOpen = false;
      lost ||= isLost;
      times++;
      deps.onShut();
      recovering ??= recover().finally(() => (recovering = undefined));
    },
    onLoss(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    close: () => {
      isClosed = true;
    },
  };
};

/**
 * By node: which run of the server it is, and which history of writes it continues. Both the same: the server remembers all it
 * acknowledged, only the connection had ended. A restart changes the first, a fail-over or a resynchronisation the second.
 */
export const identitiesOf = async (owners: readonly Node[]): Promise<ReadonlyMap<string, string>> =>
  new Map(
    await Promise.all(
      owners.map(async ({ name, bulk }): Promise<[string, string]> => {
        if (bulk.status !== 'ready') throw new Error(`${name} is away`);
        const info = `${await bulk.info('server')}\n${await bulk.info('replication')}`;
        return [
          name,
          ['run_id', 'role', 'master_replid'].map((field) => new RegExp(`^${field}:(.*)$`, 'm').exec(info)?.[1]?.trim()).join('/'),
        ];
      }),
    ),
  );
