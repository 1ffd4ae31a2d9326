/** What rewards.yaml says, compiled: the worth of outcomes, the windows of channels, outcomes recognised in events. */

export interface Worth {
  readonly fixed: number;
  /** of the action's value */
  readonly fraction: number;
  /** of the outcome's amount */
  readonly amount: number;
}

export interface OutcomeRule {
  readonly name: string;
  /** What the head learns from; null: this outcome alone teaches nothing. */
  readonly target: 0 | 1 | null;
  readonly worth: Worth;
  /** Changes neither target nor worth. */
  readonly neutral: boolean;
  /** The customer must have seen the action for this to happen. */
  readonly shown: boolean;
  /** Takes the showing back: whatever else was or will be said of it, it teaches nothing and is worth nothing. */
  readonly voids: boolean;
  /** Counts in the pair's `rejected`. */
  readonly rejects: boolean;
}

export interface ChannelRule {
  readonly windowMs: number;
  /** Of one showing. */
  readonly cost: number;
  /** The outcome that a decision on this channel stands for, null when showings are reported. */
  readonly implies: string | null;
}

export interface RecogniseRule {
  readonly event: string;
  /** Field of the event's data that names the action. */
  readonly actionField: string;
  readonly amountField: string | null;
  readonly withinMs: number;
  readonly outcome: string;
  /** Actions of these groups stay open for `withinMs`; empty: of all groups. */
  readonly groups: readonly string[];
}

export interface Rewards {
  readonly combine: 'last' | 'max' | 'sum';
  readonly outcomes: ReadonlyMap<string, OutcomeRule>;
  readonly channels: ReadonlyMap<string, ChannelRule>;
  readonly otherChannel: ChannelRule;
  /** By event type. */
  readonly recognise: ReadonlyMap<string, readonly RecogniseRule[]>;
}

export const channelRule = (rewards: Rewards, channel: string): ChannelRule => rewards.channels.get(channel) ?? rewards.otherChannel;

/**
 * How long a decision stays open: the channel's window, or longer where an event may still name the action.
 * @param group of the action; null when unknown, or for the caller's own candidates
 */
export const windowOf = (rewards: Rewards, channel: string, group: string | null): number => {
  let windowMs = channelRule(rewards, channel).windowMs;
  if (group === null) return windowMs;
  for (const rules of rewards.recognise.values()) {
    for (const rule of rules) {
      if (rule.withinMs > windowMs && (rule.groups.length === 0 || rule.groups.includes(group))) windowMs = rule.withinMs;
    }
  }
  return windowMs;
};
