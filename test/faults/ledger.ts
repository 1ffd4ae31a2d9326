/** A client with a ledger of its own: it sends, retries what was not answered under the same id, and remembers what was acknowledged. */
import { setTimeout as delay } from 'node:timers/promises';

export interface Ledger {
  /** Acknowledged `interaction.ended` events per customer. */
  readonly events: Map<string, number>;
  /** decisionId by requestId, of 201 answers. */
  readonly decisions: Map<string, string>;
  /** Second decisions under a requestId, where one of the two answers said that it could not look whether there was a first. */
  readonly unclaimed: string[];
  /** Acknowledged outcomes by outcomeId. */
  readonly outcomes: Map<
    string,
    { readonly decisionId: string; readonly actionId: string; readonly outcome: string; readonly customerId: string }
  >;
  /** Requests that had to be sent more than once. */
  retries: number;
  /** 5xx answers other than 503, and 4xx answers: none is expected. */
  readonly refused: string[];
  /** Any 5xx answer to a decision, 503 included. */
  readonly decisions5xx: string[];
  /** Decisions that said what they had to do without. */
  degraded: number;
  /** How many of them, by what it was. */
  readonly without: Record<string, number>;
  /** A retried decision that named another action than its first answer. */
  readonly changed: string[];
}

export interface Client {
  readonly ledger: Ledger;
  /** Ends the load and waits until all that was begun is acknowledged. */
  stop(): Promise<void>;
}

const RETRY_MS = 50;

export const startClient = (options: {
  url: string;
  customers: number;
  workers: number;
  run: string;
  seed: number;
  pauseMs: number;
  onAcknowledged?: () => void;
}): Client => {
  const ledger: Ledger = {
    events: new Map(),
    decisions: new Map(),
    outcomes: new Map(),
    retries: 0,
    unclaimed: [],
    refused: [],
    decisions5xx: [],
    degraded: 0,
    without: {},
    changed: [],
  };
  const load = { running: true };
  let state = options.seed >>> 0;
  const random = (): number => {
    // Mulberry32.
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };

  /** Sends until answered; only an answer counts. */
  const post = async (path: string, body: unknown, contentType = 'application/json'): Promise<unknown> => {
    for (let attempt = 0; ; attempt++) {
      if (attempt > 0) {
        ledger.retries++;
        await delay(RETRY_MS);
      }
      try {
        const response = await fetch(`${options.url}${path}`, {
          method: 'POST',
          headers: { 'content-type': contentType },
          body: JSON.stringify(body),
          signal: AbortSignal.timeout(5_000),
        });
        const text = await response.text();
        if (response.ok) {
          options.onAcknowledged?.();
          return JSON.parse(text);
        }
        if (response.status >= 500 && path === '/v1/decisions') ledger.decisions5xx.push(`${response.status} ${text.slice(0, 200)}`);
        if (response.status !== 503) ledger.refused.push(`${response.status} ${path} ${text.slice(0, 200)}`);
        if (response.status < 500) return null;
      } catch {
        // Unanswered: the same id goes again.
      }
    }
  };

  const turn = async (worker: number, n: number): Promise<void> => {
    const customerId = `${options.run}-c${Math.floor(random() * options.customers)}`;
    const id = `${options.run}-${worker}-${n}`;
    const event = {
      specversion: '1.0',
      id: `e-${id}`,
      source: '/faults',
      type: 'order.completed',
      subject: customerId,
      data: { offerId: 'not-an-offer', amount: 1 },
    };
    if ((await post('/v1/events', event, 'application/cloudevents+json')) !== null)
      ledger.events.set(customerId, (ledger.events.get(customerId) ?? 0) + 1);

    const ask = { customerId, requestId: `r-${id}`, channel: 'app', direction: 'inbound', limit: 1 };
    const decision = (await post('/v1/decisions', ask)) as {
      decisionId: string;
      degraded: string[] | null;
      actions: { actionId: string }[];
    } | null;
    if (decision === null) return;
    if (decision.degraded !== null) {
      ledger.degraded++;
      const what = JSON.stringify(decision.degraded);
      ledger.without[what] = (ledger.without[what] ?? 0) + 1;
    }
    ledger.decisions.set(ask.requestId, decision.decisionId);
    if (n % 5 === 0) {
      const again = (await post('/v1/decisions', ask)) as typeof decision;
      const same =
        again?.decisionId === decision.decisionId &&
        JSON.stringify(again.actions.map((a) => a.actionId)) === JSON.stringify(decision.actions.map((a) => a.actionId));
      const isUnclaimed = [decision, again].some((answer) => answer?.degraded?.includes('request') === true);
      if (!same && isUnclaimed && again !== null) ledger.unclaimed.push(again.decisionId);
      else if (!same) ledger.changed.push(`${ask.requestId}: ${decision.decisionId} then ${again?.decisionId}`);
    }
    const actionId = decision.actions[0]?.actionId;
    if (actionId === undefined) return;
    const outcomes = random() < 0.4 ? ['impression', 'accepted'] : ['impression'];
    for (const outcome of outcomes) {
      const outcomeId = `o-${id}-${outcome}`;
      if ((await post('/v1/outcomes', { decisionId: decision.decisionId, actionId, outcome, outcomeId })) !== null) {
        ledger.outcomes.set(outcomeId, { decisionId: decision.decisionId, actionId, outcome, customerId });
      }
    }
    if (options.pauseMs > 0) await delay(options.pauseMs);
  };

  const workers = Array.from({ length: options.workers }, async (_, worker) => {
    for (let n = 0; load.running; n++) await turn(worker, n);
  });
  return {
    ledger,
    async stop() {
      load.running = false;
      await Promise.all(workers);
    },
  };
};
