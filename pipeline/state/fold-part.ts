/** Folds one customer's part of a batch until its verdicts have what they stand on: definitions that are loaded, places that are reserved. */
import { decisionIdToBytes } from '#contracts';
import type { CustomerKey, DecisionId } from '#contracts';
import { loadFeatureSet } from '#feature-store';
import type { StateFacts } from './context.ts';
import type { HeldReservation } from './customer-work.ts';
import { foldCustomer } from './fold-customer.ts';
import type { Folded } from './fold-customer.ts';
import type { StateInput } from './input.ts';
import type { BatchDeps } from './process-batch.ts';
import { takeReservations } from './take-reservations.ts';
import type { WaitingOutcome } from './waiting.ts';

export interface CustomerPart {
  readonly shard: number;
  readonly key: CustomerKey;
  readonly keyBytes: Buffer;
  readonly value: Buffer | null;
  readonly inputs: StateInput[];
  readonly waiting: ReadonlyMap<DecisionId, readonly WaitingOutcome[]>;
  /** What was stored under the decisions that the batch names. */
  readonly atIds: ReadonlyMap<DecisionId, Buffer | null>;
}

/** At once where nothing has to be asked for, as nearly always. */
export const foldPart = (deps: BatchDeps, part: CustomerPart): Folded | Promise<Folded> => {
  const folded = foldWithout(deps, part, NONE_REFUSED);
  if (!(folded instanceof Promise) && folded.work.reservations.length === 0) return folded;
  return settleReservations(deps, part, folded);
};

const NONE_REFUSED: ReadonlySet<string> = new Set();

/** What is refused is judged again without it, until all that the verdicts stand on is had. */
const settleReservations = async (deps: BatchDeps, part: CustomerPart, first: Folded | Promise<Folded>): Promise<Folded> => {
  const { reservations } = deps.store;
  const refused = new Set<string>();
  const held: HeldReservation[] = [];
  let folded = await first;
  while (folded.work.reservations.length > 0) {
    const taken = await takeReservations(reservations, folded.work.reservations, deps.clock());
    held.push(...taken.had);
    if (taken.refused.length === 0) break;
    for (const name of taken.refused) refused.add(name);
    folded = await foldWithout(deps, part, refused);
  }
  const stands = new Set(folded.work.reservations.map(placeOfReservation));
  for (const one of held) if (!stands.has(placeOfReservation(one))) await reservations.release(one.name, decisionIdToBytes(one.holder));
  return folded;
};

const placeOfReservation = ({ name, holder }: HeldReservation): string => `${name}/${holder}`;

const foldWithout = (deps: BatchDeps, part: CustomerPart, refused: ReadonlySet<string>): Folded | Promise<Folded> => {
  const { key, shard, value, inputs, waiting } = part;
  const facts = deps.facts();
  const desk = deps.silent ? null : (deps.desk?.() ?? null);
  const nowMs = deps.clock();
  const fold = (): Folded => foldCustomer({ key, shard, facts, nowMs, desk, refused, log: deps.log, stored: value, inputs, waiting });
  return withFeatureSets(deps, facts, fold);
};

/** A state written with definitions that this process has not met: they are kept by hash. */
const withFeatureSets = (deps: BatchDeps, facts: StateFacts, fold: () => Folded): Folded | Promise<Folded> => {
  try {
    return fold();
  } catch (error) {
    const fingerprint =
      (error as { code?: string }).code === 'feature-set.unknown' ? /[0-9a-f]{16}/.exec((error as Error).message)?.[0] : undefined;
    if (fingerprint === undefined) throw error;
    return loadFeatureSet(deps.store.blobs, facts.featureSet, fingerprint).then((set) => {
      if (set === null) throw error;
      return fold();
    });
  }
};
