/** A seeded telecom world: customers with hidden tastes who live, meet us at touchpoints and answer what we show them. */
import { hashUnit } from '#contracts';
import { createCustomer, needsOf } from './customer.ts';
import type { Customer } from './customer.ts';
import { createFatigue } from './fatigue.ts';
import { createLife } from './life.ts';
import type { LifeEvent } from './life.ts';
import { FROZEN } from './parameters.ts';
import type { Parameters } from './parameters.ts';
import { createRandom, hashNormal, pickWeighted } from './random.ts';
import { acceptance, tasteOf } from './response.ts';
import type { ActionTaste } from './response.ts';

export interface WorldOptions {
  /** Everything follows from it. */
  readonly seed: number;
  readonly customers: number;
  /** Where virtual time begins, ms since 1970 UTC. */
  readonly startMs: number;
  /** Life events a customer a day. Default 4. */
  readonly perCustomerDay?: number;
  readonly parameters?: Parameters;
}

/** A moment at which a decision is wanted; the body of `POST /v1/decisions` but for the requestId. */
export interface Touchpoint {
  readonly customerId: string;
  readonly channel: string;
  readonly direction: 'inbound' | 'outbound';
  readonly placement: string;
  readonly limit: number;
  readonly context: Readonly<Record<string, string>>;
}

export interface Shown {
  readonly customerId: string;
  readonly channel: string;
  readonly direction: 'inbound' | 'outbound';
  readonly context: Readonly<Record<string, unknown>>;
  /** In the order of their ranks. */
  readonly actionIds: readonly string[];
  readonly nowMs: number;
}

/** What the customer does `afterMs` later. */
export interface Response {
  readonly actionId: string;
  readonly outcome: 'impression' | 'clicked' | 'accepted' | 'rejected' | 'later' | 'complaint';
  readonly afterMs: number;
}

export interface World {
  readonly customers: readonly Customer[];
  /** Who everybody is: one `customer.updated` each. */
  introductions(): Generator<LifeEvent>;
  /** Life up to `toMs`, in time order; each event is told once. */
  events(toMs: number): Generator<LifeEvent>;
  /** The next moment at which somebody meets us. */
  touchpoint(): Touchpoint;
  /** Shows the actions: the customer gets a little more tired of them, and answers. The same showing at the same time is answered alike. */
  respond(shown: Shown): readonly Response[];
  /** True P(accept | shown now) of each action, in order; changes nothing. */
  oracle(shown: Shown): Float64Array;
}

const CHANNELS = ['app', 'web', 'callCenter'];
const CHANNEL_WEIGHTS = [5, 3, 2];
const PAGES = ['home', 'plans', 'devices', 'bill', 'support', 'travel'];
const REASONS = ['billing', 'technical', 'sales', 'cancel', 'roaming'];

export const createWorld = (options: WorldOptions): World => {
  const { seed, startMs, perCustomerDay = 4, parameters = FROZEN } = options;
  const { behaviour } = parameters;
  const customers = Array.from({ length: options.customers }, (_, index) => createCustomer(seed, index, parameters));
  const byId = new Map(customers.map((customer) => [customer.id, customer]));
  const life = createLife({ customers, parameters, random: createRandom(`${seed}/life`), startMs, perCustomerDay });
  const meeting = createRandom(`${seed}/touchpoints`);
  const fatigue = createFatigue(parameters.response.fatigueHalfLifeDays);
  const tastes = new Map<string, ActionTaste>();
  const needs = new Float64Array(parameters.needs.length);

  const taste = (actionId: string): ActionTaste => {
    let found = tastes.get(actionId);
    if (found === undefined) tastes.set(actionId, (found = tasteOf(actionId, seed, parameters)));
    return found;
  };

  const chances = (shown: Shown, customer: Customer): Float64Array => {
    needsOf(customer, shown.context, parameters, needs);
    const preferred = customer.attributes.preferredChannel === shown.channel;
    const outbound = shown.direction === 'outbound';
    return Float64Array.from(shown.actionIds, (actionId) =>
      acceptance(
        taste(actionId),
        { needs, preferred, outbound, nowMs: shown.nowMs, fatigue: fatigue.of(customer.index, actionId, shown.nowMs) },
        parameters,
      ),
    );
  };

  const known = (customerId: string): Customer => {
    const customer = byId.get(customerId);
    if (customer === undefined) throw new RangeError(`no customer ${customerId} in this world`);
    return customer;
  };

  return {
    customers,
    *introductions() {
      for (const { id, index, attributes } of customers) {
        yield { id: `hello-${index}`, type: 'customer.updated', customerId: id, timeMs: startMs, data: { ...attributes } };
      }
    },
    events: (toMs) => life.until(toMs),
    touchpoint() {
      const customer = customers[Math.floor(meeting() * customers.length)]!;
      const channel = pickWeighted(meeting, CHANNELS, CHANNEL_WEIGHTS);
      if (channel === 'callCenter') {
        const reason = pickWeighted(meeting, REASONS, [4, 4, 2, 2, 1]);
        return {
          customerId: customer.id,
          channel,
          direction: 'inbound',
          placement: 'agent-desktop',
          limit: 1,
          context: { reason, agentSkill: 'general' },
        };
      }
      const page = pickWeighted(meeting, PAGES, [4, 3, 2, 3, 2, 1]);
      const device = channel === 'web' ? 'desktop' : customer.index % 3 === 0 ? 'ios' : 'android';
      return { customerId: customer.id, channel, direction: 'inbound', placement: `${page}-hero`, limit: 1, context: { page, device } };
    },
    oracle: (shown) => chances(shown, known(shown.customerId)),
    respond(shown) {
      const customer = known(shown.customerId);
      const accepts = chances(shown, customer);
      const responses: Response[] = [];
      for (const [index, actionId] of shown.actionIds.entries()) {
        const name = `${seed}/${shown.customerId}/${shown.nowMs}/${actionId}`;
        const draw = (what: string): number => hashUnit(`${name}/${what}`);
        const seen = behaviour.seenByRank[index] ?? behaviour.seenByRank.at(-1) ?? 1;
        if (draw('seen') >= seen) continue;
        const [soonest, latest] = behaviour.impressionMs as readonly [number, number];
        const seenMs = soonest + (latest - soonest) * draw('seen-after');
        const delayOf = (what: string): number => seenMs + answerDelay(name, what, parameters);
        responses.push({ actionId, outcome: 'impression', afterMs: seenMs });
        if (draw('accepts') < accepts[index]!) {
          const afterMs = delayOf('accepted');
          responses.push(
            { actionId, outcome: 'clicked', afterMs: seenMs + (afterMs - seenMs) / 2 },
            { actionId, outcome: 'accepted', afterMs },
          );
        } else {
          const tired = fatigue.of(customer.index, actionId, shown.nowMs);
          const mood = draw('mood');
          if (mood < behaviour.complaintPerFatigue * tired)
            responses.push({ actionId, outcome: 'complaint', afterMs: delayOf('complaint') });
          else if (mood >= 0.1 && mood < 0.1 + behaviour.rejected)
            responses.push({ actionId, outcome: 'rejected', afterMs: delayOf('rejected') });
          else if (mood >= 1 - behaviour.later) responses.push({ actionId, outcome: 'later', afterMs: delayOf('later') });
          else if (mood >= 1 - behaviour.later - behaviour.clicked)
            responses.push({ actionId, outcome: 'clicked', afterMs: delayOf('clicked') });
        }
        fatigue.add(customer.index, actionId, shown.nowMs);
      }
      return responses;
    },
  };
};

/** Most answer within minutes, some after hours or days: two log-normals, cut at the longest. */
const answerDelay = (name: string, what: string, { behaviour }: Parameters): number => {
  const median = hashUnit(`${name}/${what}/when`) < behaviour.soonShare ? behaviour.soonMedianMs : behaviour.lateMedianMs;
  return Math.min(behaviour.longestMs, median * Math.exp(behaviour.delaySpread * hashNormal(`${name}/${what}/spread`)));
};
