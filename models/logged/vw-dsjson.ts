/**
 * A logged decision as a line of Vowpal Wabbit's decision-service JSON (`vw --dsjson --cb_explore_adf`), for slot 1.
 *
 * `_label_probability` and `p` are the logging probabilities: what VW, and causal inference, calls propensity. Our own propensity,
 * P(accepted | shown), is an answer of the model that logged, not a fact, and is not exported here.
 * Format: vowpal_wabbit/wiki, "Conversion from dsjson"; `a` are VW's actions, from 1, the chosen one first; `_labelIndex` counts from 0.
 */
import type { AttributeValue, PairCounters } from '#contracts';
import type { LoggedDecision } from './logged-decision.ts';

/** What the cost is made of: −reward in money, or −target (0 or 1 accepted), which is unknown where nothing was shown. */
export type DsjsonLabel = 'reward' | 'target';

/** Why a decision has no line. */
export type LeftOut =
  /** Nobody may choose there: no model's policy could have decided otherwise. */
  | 'untouched'
  /** A mandatory notice took the slot, or nothing was scored. */
  | 'nothing to choose'
  /** Its reward is not final, or teaches nothing. */
  | 'no label';

type Value = AttributeValue;
type Namespace = Readonly<Record<string, Value>>;

/** The name of doing nothing, which is a candidate like any other. */
const NONE = 'none';
const WEEKDAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

/**
 * Namespaces begin with different letters, so that `-q` can cross them: shared Customer, Features, Request, When; of an action Action and
 * Pair (what this customer saw and did of it before). Hour and weekday are of UTC.
 */
export const dsjsonLine = (decision: LoggedDecision, label: DsjsonLabel): { readonly line: string } | { readonly leftOut: LeftOut } => {
  const { candidates, noneProbability, request, chosen } = decision;
  if (decision.group === 'untouched') return { leftOut: 'untouched' };
  const first = chosen[0];
  if (first?.index === -1 || candidates.length === 0) return { leftOut: 'nothing to choose' };
  const probabilities = noneProbability === null ? decision.probabilities : [...decision.probabilities, noneProbability];
  const index = first?.index ?? candidates.length;
  const probability = first?.probability ?? noneProbability;
  if (probability === null || probability <= 0) return { leftOut: 'nothing to choose' };
  const worth = worthOf(decision, label);
  if (worth === null) return { leftOut: 'no label' };

  const actions = candidates.map((action) => ({ Action: { id: action.id, ...action.features }, ...pairOf(decision, action.id) }));
  const order = [index, ...probabilities.keys().filter((i) => i !== index)];
  const at = new Date(decision.decidedAtMs);
  return {
    line: JSON.stringify({
      _label_cost: worth === 0 ? 0 : -worth,
      _label_probability: probability,
      _label_Action: index + 1,
      _labelIndex: index,
      Timestamp: at.toISOString(),
      Version: '1',
      EventId: decision.decisionId,
      a: order.map((i) => i + 1),
      c: {
        Customer: finite(request.view.attributes),
        Features: finite(Object.fromEntries(request.view.featureNames.map((name, i) => [name, request.view.features[i] ?? Number.NaN]))),
        Request: finite({
          ...request.context,
          channel: request.channel,
          direction: request.direction,
          ...(request.placement !== null && { placement: request.placement }),
        }),
        When: { hour: `h${at.getUTCHours()}`, weekday: WEEKDAYS[at.getUTCDay()]! },
        _multi: noneProbability === null ? actions : [...actions, { Action: { id: NONE } }],
      },
      p: order.map((i) => probabilities[i]),
      VWState: { m: decision.modelVersion },
    }),
  };
};

/** Doing nothing earns nothing, and that is known at once. */
const worthOf = ({ chosen, rewards }: LoggedDecision, label: DsjsonLabel): number | null => {
  if (chosen.length === 0) return 0;
  const reward = rewards[0] ?? null;
  if (reward?.matured !== true) return null;
  return label === 'reward' ? reward.reward : reward.target;
};

const pairOf = (decision: LoggedDecision, actionId: string): { readonly Pair?: Namespace } => {
  const { shown, accepted, rejected, lastShownMs }: PairCounters = decision.request.view.pair(actionId);
  if (shown === 0 && accepted === 0 && rejected === 0) return {};
  const daysSinceShown = lastShownMs === 0 ? {} : { daysSinceShown: (decision.decidedAtMs - lastShownMs) / 86_400_000 };
  return { Pair: { shown, accepted, rejected, ...daysSinceShown } };
};

/** JSON has no NaN, and VW no use for it. */
const finite = (values: Readonly<Record<string, Value>>): Namespace =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => typeof value !== 'number' || Number.isFinite(value)));
