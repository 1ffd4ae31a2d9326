/** A requestId makes a retried decision the same decision: within this process, among processes, and after a crash. */
import { hash } from 'node:crypto';
import { decisionIdFromBytes, decisionIdToBytes, within, type Clock, type Decision, type DecisionId } from '#contracts';
import type { FeatureStore } from '#feature-store';
import { notDurable } from '../errors/problem.ts';
import { settlementOf } from '../receipts/append-in-time.ts';
import type { ReceiptFinder } from '../receipts/find-receipt.ts';
import type { StoreCircuit } from './store-circuit.ts';

export interface OnceByRequest {
  /**
   * The receipt of the first decision under this name; `make` runs when there is none, with the id that is claimed.
   * Rejects with a 503 problem when the claim takes longer than an append may: a slow claim may yet succeed, and a decision made
   * beside it would count as a second one. Where claims are the best effort of a store across the network, a slow one is none.
   * @param unclaimed true when the store refused the claim (it is away), or the first receipt cannot be read: then the promise does
   * not hold, and the decision says so
   */
  once(request: { readonly name: string; readonly id: DecisionId; readonly nowMs: number }, make: Make): Promise<Decision>;
}

export type Make = (id: DecisionId, unclaimed: boolean) => Promise<Decision>;

export interface OnceByRequestDeps {
  readonly store: FeatureStore;
  readonly receipts: ReceiptFinder;
  readonly clock: Clock;
  /** As for an append: what a claim promises is as durable. */
  readonly boundMs: number;
  /** Null: a claim is a promise. Else it has this long, from a store that answers, and the decision goes on without it. */
  readonly effort: { readonly ms: number; readonly circuit: StoreCircuit } | null;
  readonly ttlMs: number;
  /** How long another process may take between its claim and its durable receipt. */
  readonly patienceMs: number;
}

const POLL_MS = 10;

export const createOnceByRequest = (deps: OnceByRequestDeps): OnceByRequest => {
  const inFlight = new Map<string, Promise<Decision>>();
  /** Decisions that were answered 503 while their receipts may still reach the log: a second one beside them would say something else. */
  const undecided = new Map<string, Promise<unknown>>();

  const settled = async (name: string): Promise<void> => {
    const settlement = undecided.get(name);
    if (settlement === undefined) return;
    if ((await within(deps.boundMs, settlement, 'late')) === 'late')
      throw notDurable(`the event log has not answered within ${deps.boundMs} ms`);
  };

  const remember = (name: string, error: unknown): void => {
    const settlement = settlementOf(error);
    if (settlement === null) return;
    const forgotten = settlement.catch(() => null).finally(() => undecided.delete(name));
    undecided.set(name, forgotten);
  };

  const claim = async (name: string, id: DecisionId, nowMs: number): Promise<DecisionId | null> => {
    const { effort, boundMs } = deps;
    const mayWait = effort === null || effort.circuit.mayAsk();
    if (!mayWait && !effort.circuit.mayTry()) return null;
    const key = hash('sha256', name, 'buffer').subarray(0, 16);
    const claiming = (async () => deps.store.requests.claim(key, decisionIdToBytes(id), { nowMs, ttlMs: deps.ttlMs }))().catch(() => null);
    if (!mayWait) {
      void claiming.then((claimed) => (claimed === null ? effort.circuit.failed() : effort.circuit.answered()));
      return null;
    }
    const claimed = await within(effort?.ms ?? boundMs, claiming, 'late' as const);
    if (claimed === 'late' && effort === null) throw notDurable(`the feature store has not claimed the requestId within ${boundMs} ms`);
    if (claimed !== null && claimed !== 'late') {
      effort?.circuit.answered();
      return decisionIdFromBytes(claimed);
    }
    effort?.circuit.failed();
    return null;
  };

  /** A log that is away cannot show the first receipt, and must not keep the customer waiting. */
  const readable = async (id: DecisionId, patienceMs: number): Promise<Decision | null | 'unreadable'> => {
    const cancel = new AbortController();
    const reading = deps.receipts.findWritten(id, cancel.signal).catch(() => 'unreadable' as const);
    return within(patienceMs, reading, 'unreadable' as const).finally(() => cancel.abort());
  };

  const first = async (name: string, id: DecisionId, nowMs: number, make: Make): Promise<Decision> => {
    await settled(name);
    const claimed = await claim(name, id, nowMs);
    if (claimed === null) return make(id, true);
    if (claimed === id) return make(id, false);
    // Someone was first: their receipt is there, or on its way, or they died before it was.
    for (const end = deps.clock() + deps.patienceMs; ;) {
      const receipt = await readable(claimed, end - deps.clock());
      if (receipt !== null && receipt !== 'unreadable') return receipt;
      if (deps.clock() >= end) return make(claimed, receipt === 'unreadable');
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  };

  return {
    once({ name, id, nowMs }, make) {
      const running = inFlight.get(name);
      if (running !== undefined) return running;
      const decision = first(name, id, nowMs, make)
        .catch((error: unknown) => {
          remember(name, error);
          throw error;
        })
        .finally(() => inFlight.delete(name));
      inFlight.set(name, decision);
      return decision;
    },
  };
};
