/** Live traffic over HTTP: the world's customers live, ask for decisions and answer them, faster than life by `timeScale`. */
import { setTimeout as delay } from 'node:timers/promises';
import { SECOND_MS } from '#contracts';
import type { LifeEvent } from './life.ts';
import { createSchedule } from './schedule.ts';
import type { Response, Touchpoint, World } from './world.ts';

export interface TrafficOptions {
  /** Of the API. */
  readonly url: string;
  /** Null: the API is open. */
  readonly apiKey: string | null;
  readonly world: World;
  /** Where the world's time began. */
  readonly startMs: number;
  /** Makes this run's event and request ids its own. */
  readonly run: string;
  readonly decisionsPerSecond: number;
  /** Virtual ms a real ms; delays and fatigue follow it. */
  readonly timeScale: number;
  readonly clock: () => number;
  readonly onDecision: (decision: DecisionAnswer, latencyMs: number) => void;
  readonly onResponse: (decision: DecisionAnswer, response: Response) => void;
  readonly onFailure: (reason: string) => void;
}

export interface DecisionAnswer {
  readonly decisionId: string;
  readonly group: 'model' | 'random' | 'untouched';
  readonly modelVersion: string;
  readonly actions: readonly { readonly actionId: string }[];
}

export interface Traffic {
  /** Asks for nothing more, and waits for what is under way. */
  stop(): Promise<void>;
}

const TICK_MS = 20;
const BATCH = 500;
/** An API that is slower than the traffic must not be buried. */
const MOST_IN_FLIGHT = 256;
const TIMEOUT_MS = 5 * SECOND_MS;
const ATTEMPTS = 4;
const RETRY_MS = 100;

/** Introduces every customer first; rejects when the API refuses that. */
export const startTraffic = async (options: TrafficOptions): Promise<Traffic> => {
  const { world, clock, run } = options;
  const answers = createSchedule<{ readonly decision: DecisionAnswer; readonly response: Response }>();
  const inFlight = new Set<Promise<void>>();
  const stopping = new AbortController();

  /** A 503 promises nothing and asks for the same request again; every request carries an id or is made of its content. */
  const post = async (path: string, body: unknown, contentType = 'application/json'): Promise<unknown> => {
    for (let attempt = 1; ; attempt++) {
      const response = await fetch(`${options.url}${path}`, {
        method: 'POST',
        headers: { 'content-type': contentType, ...(options.apiKey !== null && { authorization: `Bearer ${options.apiKey}` }) },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      const text = await response.text();
      if (response.ok) return JSON.parse(text);
      if (response.status !== 503 || attempt === ATTEMPTS) throw new Error(`${path} answered ${response.status}: ${text.slice(0, 300)}`);
      await delay(RETRY_MS * attempt);
    }
  };
  const cloudEvent = ({ id, type, customerId, data }: LifeEvent) => ({
    specversion: '1.0',
    id: `${run}-${id}`,
    source: '/simulator',
    type,
    subject: customerId,
    time: new Date(clock()).toISOString(),
    data,
  });
  const tell = (events: readonly LifeEvent[]): Promise<unknown> =>
    post('/v1/events', events.map(cloudEvent), 'application/cloudevents-batch+json');

  const introductions = [...world.introductions()];
  for (let i = 0; i < introductions.length && !stopping.signal.aborted; i += BATCH) await tell(introductions.slice(i, i + BATCH));

  const beganMs = clock();
  const virtualNow = (): number => options.startMs + (clock() - beganMs) * options.timeScale;
  const track = (work: Promise<unknown>): void => {
    const tracked: Promise<void> = work
      .then(
        () => {},
        (error: unknown) => options.onFailure((error as Error).message),
      )
      .finally(() => inFlight.delete(tracked));
    inFlight.add(tracked);
  };

  let asked = 0;
  const decide = async (touchpoint: Touchpoint): Promise<void> => {
    const sentMs = performance.now();
    const decision = (await post('/v1/decisions', { ...touchpoint, requestId: `${run}-${asked++}` })) as DecisionAnswer;
    options.onDecision(decision, performance.now() - sentMs);
    if (decision.actions.length === 0) return;
    const nowMs = virtualNow();
    const shown = { ...touchpoint, actionIds: decision.actions.map(({ actionId }) => actionId), nowMs };
    for (const response of world.respond(shown)) answers.add(nowMs + response.afterMs, { decision, response });
  };
  const answer = async ({ decision, response }: { decision: DecisionAnswer; response: Response }): Promise<void> => {
    const { decisionId } = decision;
    const { actionId, outcome } = response;
    await post('/v1/outcomes', { decisionId, actionId, outcome, outcomeId: `${decisionId}-${actionId}-${outcome}` });
    options.onResponse(decision, response);
  };

  let owed = 0;
  let lastMs = clock();
  const tick = (): void => {
    const nowMs = clock();
    owed = Math.min(MOST_IN_FLIGHT, owed + ((nowMs - lastMs) / SECOND_MS) * options.decisionsPerSecond);
    lastMs = nowMs;
    for (; owed >= 1 && inFlight.size < MOST_IN_FLIGHT; owed--) track(decide(world.touchpoint()));
    for (let due = answers.take(virtualNow()); due !== null; due = inFlight.size < 2 * MOST_IN_FLIGHT ? answers.take(virtualNow()) : null)
      track(answer(due.item));
    const life = [...world.events(virtualNow())];
    for (let i = 0; i < life.length; i += BATCH) track(tell(life.slice(i, i + BATCH)));
  };
  const timer = setInterval(tick, TICK_MS);

  return {
    async stop() {
      stopping.abort();
      clearInterval(timer);
      while (inFlight.size > 0) await Promise.all(inFlight);
    },
  };
};
