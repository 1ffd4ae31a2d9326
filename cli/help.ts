/** What `attune --help` and `attune COMMAND --help` say. */
import { describeVariables } from './config/variables.ts';

interface CommandHelp {
  /** After the name. */
  readonly usage: string;
  readonly meaning: string;
  readonly options: readonly (readonly [string, string])[];
}

export const COMMAND_HELP: Readonly<Record<string, CommandHelp>> = {
  up: {
    usage: '[--demo]',
    meaning: 'everything on this machine: API, pipeline and embedded warehouse; --demo adds live traffic',
    options: [
      ['--demo, --no-demo', 'with or without simulated customers [without; npm start: with]'],
      ['--force', 'simulated customers may go into the engines that the environment names'],
    ],
  },
  serve: {
    usage: '[--workers N]',
    meaning: 'the API; N processes behind its port',
    options: [['--workers N', 'processes, 1 to 256 [ATTUNE_WORKERS]']],
  },
  pipeline: {
    usage: '[--roles ingest,state,learn,record,deliver,guard,segments,notify]',
    meaning: 'the stream roles',
    options: [['--roles A,B', 'of ingest, state, learn, record, deliver, guard, segments, notify [all]']],
  },
  warehouse: { usage: '', meaning: 'the embedded warehouse: ClickHouse’s HTTP interface on loopback', options: [] },
  demo: {
    usage: '[--url URL] [--rate N] [--seed N]',
    meaning: 'the telecom simulator sends traffic to a running API',
    options: [
      ['--url URL', 'of the API [http://ATTUNE_HOST:ATTUNE_PORT]'],
      ['--rate N', 'decisions a second [40]'],
      ['--customers N', 'simulated customers [10000]'],
      ['--seed N', 'of the simulated world: the same seed, the same customers [1]'],
      ['--force', 'simulated customers may go into the engines that the environment names'],
    ],
  },
  'dead-letters': {
    usage: '[list|replay] [--topic T] [--limit N]',
    meaning: 'records that could not be used: why, where, and once more',
    options: [
      ['list, replay', 'shows them, or gives their records back to the topics they came from [list]'],
      ['--topic T', 'only those of a topic'],
      ['--reason R', 'only those with this reason'],
      ['--partition N', 'only those of a partition'],
      ['--offset N', 'only the one at this offset'],
      ['--limit N', 'at most so many'],
    ],
  },
  'warm-start': {
    usage: 'FILE.csv|.parquet|.jsonl [--loop NAME] [--map FILE.yaml]',
    meaning: 'a model learns somebody’s historical log (action, reward, probability if known) before it decides here',
    options: [
      ['--loop NAME', 'of the caller’s own candidates [the catalog’s]'],
      ['--map FILE.yaml', 'which column is action, reward, probability, time, channel; columns renames, ignore leaves out'],
      ['--at TIME', 'of rows without a time [when the file was last changed]'],
      ['--delimiter C', 'of a CSV file [found in its header]'],
      ['--cap N', 'a row counts at most N times [10]'],
      ['--max-faults N', 'rows that may be unusable before the file is refused [0]'],
      ['--dry-run', 'reads and learns, and publishes nothing'],
    ],
  },
  promote: {
    usage: 'VERSION [--loop NAME] [--epsilon E --reason TEXT] [--dry-run]',
    meaning: 'a challenger becomes the champion where matured logged decisions prove it; else what failed',
    options: [
      ['--loop NAME', 'of the caller’s own candidates [the catalog’s]'],
      ['--epsilon E', 'it may earn less by E per decision; needs --reason [0]'],
      ['--reason TEXT', 'recorded with the promotion'],
      ['--actor NAME', 'recorded as who promoted [USER]'],
      ['--from TIME', 'only decisions since [all that it has not learned from]'],
      ['--force', 'without proof, which is recorded; needs --reason'],
      ['--dry-run', 'judges and changes nothing'],
      ['--json', 'the report as one line'],
      ['--key KEY', 'of the API that is asked for latencies, where it has keys'],
    ],
  },
  snapshot: {
    usage: '[--to DIR] [--keep N] [--scrub]',
    meaning: 'copies the feature store to files while it is in use',
    options: [
      ['--to DIR', 'the folder of snapshots [snapshots in ATTUNE_DATA_DIR]'],
      ['--keep N', 'the newest N stay, older ones are deleted [3]'],
      ['--scrub', 'takes erased customers out of the snapshots there are, and makes none'],
    ],
  },
  rebuild: {
    usage: '[--from-snapshot DIR | --from-log]',
    meaning: 'makes the feature store anew from the last snapshot and the log',
    options: [
      ['--from-snapshot DIR', 'from this snapshot and the log after it [the newest]'],
      ['--from-log', 'from the log alone'],
      ['--accept-loss', 'also where the log no longer holds all that is needed'],
    ],
  },
  rewards: {
    usage: '[--apply]',
    meaning: 'what logged decisions are worth under today’s rewards.yaml; --apply revises their rewards, and the learners follow',
    options: [['--apply', 'appends the revised rewards [only counts them]']],
  },
  import: {
    usage: 'FILE.csv|.parquet [--map FILE.yaml] [--type T]',
    meaning: 'brings rows of customers’ attributes into the event log',
    options: [
      ['--map FILE.yaml', 'which column is what: customerId, time, columns, ignore'],
      ['--type T', 'event type of the rows [customer.updated]'],
      ['--at TIME', 'time of rows that have none, as in 2026-11-25T10:00:00Z [the file’s last change]'],
      ['--delimiter C', 'between the columns of a CSV file; \\t is a tab [found in its header]'],
      ['--again', 'imports a finished file once more, which changes nothing'],
      ['--max-lag N', 'waits while the state role is further behind; 0: never [2000000]'],
    ],
  },
  decide: {
    usage: '--segment ID | --when CEL | --customers FILE --out FILE',
    meaning: 'decisions for many customers into a file, at a stated rate; nothing is sent, and outcomes may name them',
    options: [
      ['--segment ID', 'of segments.yaml, with its channel, scope and context'],
      ['--when CEL', 'a condition over customer and features'],
      ['--customers FILE', 'ids: a line each in .txt, the column customerId in .csv, .parquet or .jsonl; all that are given must hold'],
      ['--out FILE', '.ndjson, or .csv with the first action alone; who is in the file already is left out'],
      ['--channel NAME', 'for which the decisions are [the segment’s]'],
      ['--direction D', 'inbound or outbound [outbound where the channel is]'],
      ['--limit N', 'actions a customer, at most [1]'],
      ['--per-second N', 'decisions a second, at most [200]'],
    ],
  },
  segment: {
    usage: '[list | count ID | run ID | stop ID | resume ID]',
    meaning: 'the segments that Attune asks itself about; how many customers belong to one; the order to run it now',
    options: [
      ['list', 'last run and next one of each'],
      ['count ID', 'how many customers belong to it now; nobody is contacted'],
      ['run ID', 'begins a run, at the segment’s rate'],
      ['stop ID, resume ID', 'ends its run and holds its schedule; the schedule goes on'],
      ['--actor NAME', 'recorded as who ordered it [USER]'],
      ['--reason TEXT', 'recorded with the order'],
    ],
  },
  models: {
    usage: '[list | add DIR] [--loop L]',
    meaning: 'the model versions that there are; a trunk of your own, a TensorFlow.js LayersModel, as a challenger',
    options: [
      ['list, add DIR', 'tells versions and roles, or reads model.json in DIR [list]'],
      ['--loop L', 'with add: a loop of callers’ own candidates [the catalog’s loop]'],
      ['--layer NAME', 'with add: whose output is the trunk’s [the layer before the last dense one]'],
      ['--dry-run', 'with add: reads and checks, and publishes nothing'],
    ],
  },
  train: {
    usage: '[--loop L] [--days N] [--objective O]',
    meaning: 'trains a new trunk on the warehouse’s matured decisions and publishes it as a challenger',
    options: [
      ['--loop L', 'a loop of callers’ own candidates [the catalog’s loop]'],
      ['--days N', 'decisions of the last N days [90]'],
      ['--to TIME', 'only decisions before it: the later ones are left for attune promote to judge by [now]'],
      ['--rows N', 'at most so many shown actions, the newest [200000]'],
      ['--objective O', 'observed, importance or doublyRobust: what the loss is taken over [importance]'],
      ['--clip N', 'largest importance weight [10]'],
      ['--outputs N', 'units of the trunk’s last layer, a multiple of 8 [64]'],
      ['--hidden A,B', 'layers before it, each a candidate: none, 128, 128x64 [none,128]'],
      ['--activation A', 'relu, tanh, elu or selu [relu]'],
      ['--learning-rate A,B', 'candidates [0.001,0.003]'],
      ['--weight-decay A,B', 'candidates [0.00001,0.0003]'],
      ['--batch N', 'rows of a step [256]'],
      ['--epochs N', 'at most [30]'],
      ['--patience N', 'epochs without a better validation loss before it ends [3]'],
      ['--negatives N', 'zeros that are fitted for each positive, at most; rates are corrected for the rest [10]'],
      [
        '--half-life A,B',
        'how soon the head forgets, chosen by data: days in the catalog’s loop, rows in a caller’s; never; one alone is taken [60,2,7,20,180; 300,1000,3000,10000,never]',
      ],
      ['--seed N', 'the same seed, data and backend, the same model [1]'],
      ['--backend B', 'of TensorFlow.js: tensorflow, wasm or cpu [the fastest that is there]'],
      ['--report FILE.html', 'where the report goes [training in ATTUNE_DATA_DIR]'],
      ['--fresh', 'begins anew where a run of before was killed'],
      ['--dry-run', 'trains and reports, and publishes nothing'],
    ],
  },
  evaluate: {
    usage: '--action ID | --policy NAME | --model VERSION | --catalog DIR',
    meaning: 'what another policy would have been worth, by the warehouse’s matured decisions',
    options: [
      ['--action ID', 'always this action, where it was a candidate'],
      ['--policy NAME', 'logged, or another exploration on the logged scores: greedy, uniform, inverseGap, …'],
      ['--model VERSION', 'a model version, as it was before each decision'],
      ['--catalog DIR', 'another project folder: its actions, values, weights and exploration'],
      ['--loop L', 'a loop of callers’ own candidates [the catalog’s loop]'],
      ['--from TIME', 'only decisions from this time on, as in 2026-11-25T10:00:00Z [90 days before --to]'],
      ['--to TIME', 'only decisions before it [now]'],
      ['--rows N', 'at most so many decisions, the newest [100000]'],
      [
        '--slots A',
        'adds all slots of each answer, by what a slot’s reward is taken to depend on: independent, cascade or standard [first]',
      ],
      ['--level P', 'of the intervals [0.95]'],
      [
        '--rewards LOW,HIGH',
        'between which every reward lies (--rewards=-5,40 where it begins with a minus): adds the intervals that need to know it',
      ],
      ['--floor P', 'no logging probability is below it: adds empirical Bernstein, with --rewards'],
      ['--seed N', 'of folds and bootstrap [1]'],
      ['--json', 'one JSON object instead of the table'],
    ],
  },
  export: {
    usage: 'TABLE FILE.parquet|.csv|.dsjson',
    meaning: 'tables and views of the warehouse for other tools',
    options: [
      ['--list', 'the tables and views that there are'],
      ['--describe', 'with a TABLE and no FILE: its columns, their types and what they mean'],
      ['--format F', 'parquet, csv, or dsjson of Vowpal Wabbit [by the name of the file; - is stdout; .csv.gz, .dsjson.gz]'],
      ['--from T', 'only rows from this time on, as in 2026-11-25 or 2026-11-25T10:00:00Z'],
      ['--to T', 'only rows before this time'],
      ['--loop L', 'only this loop; empty: the catalog’s own [all]'],
      ['--where COLUMN=VALUE', 'only such rows (also !=, <, <=, >, >=); more than once: all must hold'],
      ['--columns A,B', 'only these columns [all]'],
      ['--label target', 'dsjson: the cost is of 0 or 1 accepted instead of the reward in money [reward]'],
      ['--words causal', 'propensity is then the logging probability, and ours is p_accepted [attune]'],
    ],
  },
  doctor: {
    usage: '[--fix] [--partitions N]',
    meaning: 'checks configuration, catalog and engines; --fix makes topics, schemas and tables as they should be',
    options: [
      ['--fix', 'makes what is missing, and changes what may be changed'],
      ['--partitions N', 'with --fix: raises the partitions of Kafka’s topics to N, 1 to 1024; needs Redis'],
    ],
  },
};

/** Null: there is no such command. */
export const helpOfCommand = (name: string): string | null => {
  const help = COMMAND_HELP[name];
  if (help === undefined) return null;
  const options = help.options.map(([option, meaning]) => `  ${option.padEnd(22)} ${meaning}`);
  return [
    `attune ${name} ${help.usage}`.trimEnd(),
    '',
    help.meaning,
    ...(options.length === 0 ? [] : ['', ...options]),
    '',
    'attune --help lists the variables of the environment.',
  ].join('\n');
};

export const helpText = (): string => {
  const commands = Object.entries(COMMAND_HELP).map(([name, { usage, meaning }]) => `  attune ${`${name} ${usage}`.padEnd(54)} ${meaning}`);
  const variables = describeVariables().map(
    ({ name, fallback, meaning, secret }) =>
      `  ${`${name}${secret ? '*' : ''}`.padEnd(33)} ${meaning}${fallback === '' ? '' : ` [${fallback}]`}`,
  );
  return [
    'Attune decides the next best action for a customer, and learns from what the customer then does.',
    '',
    ...commands,
    '',
    'attune COMMAND --help tells all its options.',
    '',
    'Environment (* a secret: NAME_FILE may name a file that holds it):',
    ...variables,
  ].join('\n');
};
