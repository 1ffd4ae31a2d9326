/** What Prometheus is told about each number that a stream role counts. */

export interface MetricWords {
  readonly kind: 'counter' | 'gauge';
  readonly help: string;
}

const counter = (help: string): MetricWords => ({ kind: 'counter', help });
const gauge = (help: string): MetricWords => ({ kind: 'gauge', help });

const WORDS: Readonly<Record<string, Readonly<Record<string, MetricWords>>>> = {
  state: {
    records: counter('Records read from the log'),
    events: counter('Events folded into customers’ states'),
    decisions: counter('Decisions folded into customers’ states'),
    outcomes: counter('Outcomes attributed to their decisions'),
    timers: counter('Timer events folded into customers’ states'),
    communications: counter('Communications folded into customers’ states'),
    duplicates: counter('Records known by their identity: a client’s retries'),
    skipped: counter('Records known by their position: read again after a restart'),
    dropped: counter('Records that concern nobody: erased customers, late outcomes'),
    astray: counter('Records in another partition than their customer, appended again in his'),
    deadLetters: counter('Records that could not be used'),
    waiting: counter('Outcomes that came before their decision'),
    rewards: counter('Rewards appended'),
    commits: counter('Customers’ states written'),
    refused: counter('Commits that met another state than the one read, and were folded again'),
    timersFired: counter('Timers that came due'),
    erasures: counter('Customers erased'),
    failures: counter('Batches that failed and came again'),
    lagMs: gauge('From the log’s taking of the last record to its commit'),
    rebuilding: gauge('1 while the feature store is being rebuilt, or a rebuild was broken off, and state waits'),
  },
  learn: {
    decisions: counter('Decisions read'),
    rewards: counter('Rewards read'),
    learned: counter('Experiences learned'),
    corrected: counter('Experiences whose reward was revised'),
    unchanged: counter('Revisions that changed nothing'),
    repeated: counter('Rewards known by their position or revision'),
    early: counter('Rewards that came before their decision'),
    unjoinable: counter('Rewards whose decision can no longer be joined'),
    refusedLoops: counter('Rewards of learning loops beyond the limit'),
    snapshots: counter('Snapshots published'),
    checkpoints: counter('Checkpoints written'),
    failures: counter('Batches, snapshots and checkpoints that failed and were tried again'),
    unreadable: counter('Records that could not be read'),
    checkpointMs: gauge('Time that the last checkpoint took'),
    publishMs: gauge('Time that the last snapshot took'),
    lagMs: gauge('From the log’s taking of the last reward to its learning'),
    loops: gauge('Learning loops in hand'),
    challengers: gauge('Trained models that learn beside the loops’ own'),
    inHand: gauge('Rows changed since the last checkpoint'),
    experiences: gauge('Experiences that the learners hold'),
    isLearner: gauge('1 while this process holds the lease and publishes; the sum over all processes should be 1'),
    terms: counter('Times that this process became the learner'),
    intruders: counter('Snapshots that another process published over this one’s, as after a pause'),
    rebuilt: counter('Records read back to rebuild the rows of a shared checkpoint'),
    missed: gauge('Records that the log had dropped before they were learned'),
    driftInputAlarms: counter('Fields that drifted, once a window of rows'),
    driftRewardAlarms: counter('Times that outcomes were no longer what the model predicted'),
    driftRewardEvidence: gauge('How near such an alarm is: 1 is one'),
    driftRewardShift: gauge('Mean of about the last 500 final outcomes less their predictions'),
    driftBestHalfLife: gauge('The memory, in outcomes, that predicts this loop best; 0: nothing should be forgotten; NaN: not known yet'),
    driftPsi: gauge('Population stability index of a field against what was learned from; above 0.1 is moderate, above 0.25 large'),
    shared: counter('Shared checkpoints put into the feature store'),
    sharedBytes: gauge('Size of the last shared checkpoint'),
  },
  ingest: {
    records: counter('Records of the operator’s own topics that were judged'),
    events: counter('Records that became events'),
    filtered: counter('Records left out: by when, as tombstones, or invalid where a source drops those'),
    deadLetters: counter('Records that gave no valid event'),
    erased: counter('Records older than their customer’s erasure'),
    retries: counter('Batches that failed and came again'),
    sources: gauge('Sources that this process reads'),
    lag: gauge('Records of the partitions that this process reads, not read yet as of their last batch'),
  },
  notify: {
    steps: counter('Steps of messages that were looked at for subscribers of TM Forum APIs'),
    unreadable: counter('Steps that could not be read'),
    sent: counter('Notifications that a callback has taken'),
    retried: counter('Tries of notifications that a callback did not take'),
    dropped: counter('Notifications given up after a day, or that nobody wants any more'),
    failures: counter('Reads and writes of the feature store that failed'),
  },
  record: {
    rowsInserted: counter('Rows that the warehouse took'),
    blocksInserted: counter('Blocks of rows that the warehouse took'),
    skippedErased: counter('Rows not written because their customer was erased'),
    unreadable: counter('Records that could not be read'),
    erasuresApplied: counter('Customers erased from the warehouse'),
    failures: counter('Inserts that failed and were tried again'),
    lagRecords: gauge('Records that the warehouse does not hold yet'),
    connected: gauge('1 while the warehouse takes rows'),
  },
  snapshots: {
    runs: counter('Times that erased customers were looked for in the snapshots'),
    scrubbed: counter('States of erased customers taken out of snapshots'),
    failures: counter('Runs that failed'),
  },
  retention: {
    runs: counter('Times that old records were looked for'),
    dropped: counter('Records dropped for their age'),
    failures: counter('Runs that failed'),
  },
};

/** Of a number that nobody described: a gauge, so that no more is claimed than we know. */
export const metricWords = (role: string, name: string): MetricWords | null => WORDS[role]?.[name] ?? null;
