/** Traffic for the laws of rebuilding: the simulator's customers live, are decided for, answer (some before their decision, some late), and some are erased. */
import {
  DAY_MS,
  HOUR_MS,
  TOPICS,
  createDecisionId,
  customerKeyToBytes,
  decisionIdToBytes,
  erasureCodec,
  hashUnit,
  shardOf,
} from '#contracts';
import type { AppendRecord, EventLog } from '#event-log';
import { createWorld } from '#simulator';
import { aDecision, anEvent, anOutcome, customerKey } from '../test-world.ts';

export interface Traffic {
  /** Some hundred records of all kinds; some of them twice. */
  wave(): Promise<void>;
  erase(): Promise<void>;
  readonly erased: ReadonlySet<string>;
}

const ACTIONS = ['offer-fiber', 'offer-tv', 'care-bill', 'care-network', 'offer-roaming'];
const OUTCOMES = ['impression', 'clicked', 'accepted', 'rejected', 'later', 'complaint'];

export const createTraffic = (log: EventLog, { seed, customers }: { readonly seed: number; readonly customers: number }): Traffic => {
  // Long ago, so that every event lies in the past whatever the windows.
  const startMs = Date.now() - 60 * DAY_MS;
  const world = createWorld({ seed, customers, startMs });
  const erased = new Set<string>();
  let draws = 0;
  const draw = (): number => hashUnit(`traffic/${seed}/${draws++}`);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(draw() * items.length)]!;
  let livedMs = startMs;
  let numbers = 0;

  const decisionRecords = (customer: string): { readonly early: AppendRecord[]; readonly rest: AppendRecord[] } => {
    const id = createDecisionId({ atMs: Date.now(), shard: shardOf(customer), entropy: [numbers++, seed] });
    const decisionId = decisionIdToBytes(id);
    // As if decided up to eight days ago: some windows (2 to 7 days) have closed already, most will stay open.
    const decidedAt = Date.now() - Math.floor(draw() ** 3 * 8 * DAY_MS);
    const actionId = pick(ACTIONS);
    const outcomes = Array.from({ length: Math.floor(draw() * 4) }, (_, i) =>
      anOutcome(customer, 0, actionId, pick(OUTCOMES), {
        decisionId,
        outcomeId: `${id}-${draw() < 0.2 ? 'same' : i}`,
        occurredAt: decidedAt + i * 1_000,
        receivedAt: Date.now(),
      }),
    );
    const decision = aDecision(customer, 0, actionId, { decisionId, decidedAt, channel: pick(['app', 'web', 'sms', 'callCenter']) });
    const isEarly = draw() < 0.15;
    if (draw() < 0.03) return { early: outcomes, rest: [] };
    return isEarly ? { early: outcomes, rest: [decision] } : { early: [], rest: [decision, ...outcomes] };
  };

  const wave = async (): Promise<void> => {
    livedMs += 6 * HOUR_MS;
    const events = [...(livedMs === startMs + 6 * HOUR_MS ? world.introductions() : []), ...world.events(livedMs)].map(
      ({ id, type, customerId, data, timeMs }) => anEvent(customerId, id, type, data, timeMs, Date.now()),
    );
    const asked = Array.from({ length: Math.ceil(customers / 6) }, () => decisionRecords(world.touchpoint().customerId));
    await log.append([...events, ...asked.flatMap(({ early }) => early)]);
    const again = events.filter(() => draw() < 0.05);
    await log.append([...asked.flatMap(({ rest }) => rest), ...again]);
  };

  return {
    wave,
    erased,
    async erase() {
      const customer = pick(world.customers).id;
      erased.add(customer);
      const key = customerKeyToBytes(customerKey(customer));
      await log.append([]);
      await log.append([
        {
          topic: TOPICS.erasures,
          shard: shardOf(customer),
          key,
          value: erasureCodec.encode({ customerKey: key, erasedAt: Date.now(), shard: shardOf(customer) }),
        },
      ]);
    },
  };
};
