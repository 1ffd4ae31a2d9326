/** What `attune --help` says. */
import { describeVariables } from './config/variables.ts';

const COMMANDS: readonly (readonly [string, string])[] = [
  ['up [--demo]', 'everything on this machine: API, pipeline and embedded warehouse; --demo adds live traffic'],
  ['serve [--workers N]', 'the API; N processes behind its port'],
  ['pipeline [--roles ingest,state,learn,record]', 'the stream roles'],
  ['warehouse', 'the embedded warehouse: ClickHouse’s HTTP interface on loopback'],
  ['demo [--url URL] [--rate N] [--seed N]', 'the telecom simulator sends traffic to a running API'],
  ['dead-letters [list|replay] [--topic T] [--limit N]', 'records that could not be used: why, where, and once more'],
  ['snapshot [--to DIR] [--keep N] [--scrub]', 'copies the feature store to files while it is in use'],
  ['rebuild [--from-snapshot DIR | --from-log]', 'makes the feature store anew from the last snapshot and the log'],
  ['import FILE.csv|.parquet [--map FILE.yaml] [--type T]', 'brings rows of customers’ attributes into the event log'],
  [
    'doctor [--fix] [--partitions N]',
    'checks configuration, catalog and engines; --fix makes topics, schemas and tables as they should be',
  ],
];

export const helpText = (): string => {
  const commands = COMMANDS.map(([usage, meaning]) => `  attune ${usage.padEnd(50)} ${meaning}`);
  const variables = describeVariables().map(
    ({ name, fallback, meaning, secret }) =>
      `  ${`${name}${secret ? '*' : ''}`.padEnd(33)} ${meaning}${fallback === '' ? '' : ` [${fallback}]`}`,
  );
  return [
    'Attune decides the next best action for a customer, and learns from what the customer then does.',
    '',
    ...commands,
    '',
    'Environment (* a secret: NAME_FILE may name a file that holds it):',
    ...variables,
  ].join('\n');
};
