/** Events, decisions and outcomes of many customers, appended as serving would; it remembers what it appended. */
import { setTimeout as delay } from 'node:timers/promises';
import { shardOf } from '#contracts';
import type { AppendRecord, EventLog } from '#event-log';
import { compileFeatures } from '#feature-store';
import { loadProject } from '#project';
import { aDecision, anEvent, anOutcome } from '../../pipeline/test-world.ts';

export interface TrafficDecision {
  readonly customer: string;
  readonly decidedAt: number;
  readonly accepted: boolean;
}

export interface Traffic {
  readonly events: number;
  readonly decisions: number;
  readonly outcomes: number;
  decision(number: number): TrafficDecision;
  customers(): readonly string[];
  /** One event of a new customer in every partition; resolves to the customers. */
  probe(): Promise<readonly string[]>;
  /** Resolves when all outcomes are appended. */
  stop(): Promise<void>;
}

const ACTIONS = ['upgrade-standard', 'upgrade-premium', 'family-plan'];
const PAGES = ['home', 'plans', 'bill', 'support'];
/** Outcomes come this many ticks after their decision. */
const LATER = 8;

/**
 * Each tenth of a second `perTick` customers: an event, a decision, and later an impression that a third of them accepts.
 * @param catalogDir by which is decided
 */
export const traffic = (log: EventLog, perTick: number, catalogDir: string): Traffic => {
  const project = loadProject(catalogDir);
  const { fingerprint: featureSet, defaults } = compileFeatures(project);
  const stopping = new AbortController();
  const made: TrafficDecision[] = [];
  const customers = new Set<string>();
  const due: AppendRecord[][] = [];
  const counts = { events: 0, outcomes: 0, probes: 0 };

  const customerOf = (number: number): string => `scale-${number}`;
  const event = (customer: string): AppendRecord => {
    customers.add(customer);
    return anEvent(
      customer,
      `scale-event-${counts.events++}`,
      'customer.updated',
      { plan: 'basic', segment: 'consumer', tenureMonths: 7 },
      Date.now(),
    );
  };
  const tick = (): AppendRecord[] => {
    const records: AppendRecord[] = [];
    const outcomes: AppendRecord[] = [];
    for (let i = 0; i < perTick; i++) {
      const number = made.length;
      const customer = customerOf(number);
      const decidedAt = Date.now();
      const action = ACTIONS[number % ACTIONS.length]!;
      const accepted = number % 3 === 0;
      records.push(
        event(customer),
        aDecision(customer, 1, action, {
          decidedAt,
          catalogVersion: project.version,
          featureSet,
          features: [...defaults],
          context: JSON.stringify({ page: PAGES[number % PAGES.length] }),
        }),
      );
      outcomes.push(anOutcome(customer, 1, action, 'impression', { decidedAt, outcomeId: `${number}-impression`, receivedAt: decidedAt }));
      if (accepted)
        outcomes.push(anOutcome(customer, 1, action, 'accepted', { decidedAt, outcomeId: `${number}-accepted`, receivedAt: decidedAt }));
      made.push({ customer, decidedAt, accepted });
    }
    due.push(outcomes);
    if (due.length > LATER) records.push(...taken(due.shift()!));
    return records;
  };
  const taken = (outcomes: AppendRecord[]): AppendRecord[] => {
    counts.outcomes += outcomes.length;
    return outcomes;
  };
  const run = async (): Promise<void> => {
    for (; !stopping.signal.aborted; await delay(100)) await log.append(tick());
    await log.append(taken(due.flat()));
  };
  const running = run();

  return {
    get events() {
      return counts.events;
    },
    get decisions() {
      return made.length;
    },
    get outcomes() {
      return counts.outcomes;
    },
    decision: (number) => made[number]!,
    customers: () => [...customers],
    async probe() {
      const wanted = new Map<number, string>();
      for (; wanted.size < log.partitions; counts.probes++) {
        const customer = `probe-${counts.probes}`;
        const partition = shardOf(customer) % log.partitions;
        if (!wanted.has(partition)) wanted.set(partition, customer);
      }
      await log.append([...wanted.values()].map(event));
      return [...wanted.values()];
    },
    stop() {
      stopping.abort();
      return running;
    },
  };
};
