/** The primary's part in /metrics: asks every worker, waits a moment, and answers with what it got. */
import { mergeMetrics } from './merge-metrics.ts';
import type { FromWorker, ToWorker } from './messages.ts';

export interface Telling {
  readonly slot: number;
  tell(message: ToWorker): void;
}

export interface MetricsGatherer {
  onMessage(from: Telling, message: FromWorker): void;
}

export interface GathererDeps {
  /** Who can be asked at this moment. */
  readonly workers: () => readonly Telling[];
  /** The primary's own numbers. */
  readonly own: () => string;
  /** A worker that is busy longer is left out. Default 1 s. */
  readonly patienceMs?: number;
}

export const createMetricsGatherer = ({ workers, own, patienceMs = 1_000 }: GathererDeps): MetricsGatherer => {
  let asked = 0;
  const waiting = new Map<number, { readonly missing: Set<number>; readonly texts: Map<number, string>; readonly finish: () => void }>();

  const gather = (from: Telling, wantedId: number): void => {
    const id = ++asked;
    const askedOf = workers();
    const texts = new Map<number, string>();
    const finish = (): void => {
      clearTimeout(timer);
      if (!waiting.delete(id)) return;
      const inOrder = [...texts].toSorted(([a], [b]) => a - b).map(([, text]) => text);
      from.tell({ kind: 'metrics-of-all', id: wantedId, text: mergeMetrics([...inOrder, own()]) });
    };
    const timer = setTimeout(finish, patienceMs);
    waiting.set(id, { missing: new Set(askedOf.map(({ slot }) => slot)), texts, finish });
    for (const worker of askedOf) worker.tell({ kind: 'tell-metrics', id });
  };

  return {
    onMessage(from, message) {
      if (message.kind === 'metrics-wanted') return gather(from, message.id);
      const gathering = waiting.get(message.id);
      if (gathering === undefined || !gathering.missing.delete(from.slot)) return undefined;
      gathering.texts.set(from.slot, message.text);
      return gathering.missing.size === 0 ? gathering.finish() : undefined;
    },
  };
};
