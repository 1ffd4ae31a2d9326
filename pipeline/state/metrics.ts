/** What the state role counts. */
export interface StateMetrics {
  records: number;
  events: number;
  decisions: number;
  outcomes: number;
  /** Of the outcomes: what the customer has already, and what was never presented. */
  alreadyHas: number;
  neverOffered: number;
  timers: number;
  turns: number;
  communications: number;
  /** Known by identity. */
  duplicates: number;
  /** Known by position. */
  skipped: number;
  dropped: number;
  /** In another partition than their customer, and appended again in his. */
  astray: number;
  deadLetters: number;
  /** Outcomes that came before their decision. */
  waiting: number;
  rewards: number;
  commits: number;
  /** Commits that met another vector than the one read. */
  refused: number;
  timersFired: number;
  /** Outbound decisions made by triggers, deferrals and snoozes. */
  outreach: number;
  /** Outreach that came to nothing: no room, no channel, too late. */
  outreachDropped: number;
  /** Verdicts of the gate. */
  messagesQueued: number;
  messagesDeferred: number;
  messagesDenied: number;
  messagesHeldOut: number;
  erasures: number;
  failures: number;
  /** From the log's taking of the last record to its commit, ms. */
  lagMs: number;
}

export const createStateMetrics = (): StateMetrics => ({
  records: 0,
  events: 0,
  decisions: 0,
  outcomes: 0,
  alreadyHas: 0,
  neverOffered: 0,
  timers: 0,
  turns: 0,
  communications: 0,
  duplicates: 0,
  skipped: 0,
  dropped: 0,
  astray: 0,
  deadLetters: 0,
  waiting: 0,
  rewards: 0,
  commits: 0,
  refused: 0,
  timersFired: 0,
  outreach: 0,
  outreachDropped: 0,
  messagesQueued: 0,
  messagesDeferred: 0,
  messagesDenied: 0,
  messagesHeldOut: 0,
  erasures: 0,
  failures: 0,
  lagMs: 0,
});
