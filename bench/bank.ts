/**
 * Real input: 41,188 telephone contacts of a bank stream in time order through the public API of a whole system; each decision's
 * propensity is predicted before its outcome is sent. `npm run example:bank -- --data DIR [--rows N]`; last line JSON.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { READER, openWarehouse } from '#warehouse';
import { freePort } from '../test/free-port.ts';
import { createSend } from '../test/send.ts';
import { startSystem } from '../test/system.ts';
import { areaUnderCurve, calibration, calibrationError, logLoss } from './bank/metrics.ts';
import type { Scored } from './bank/metrics.ts';
import { readContacts } from './bank/read-contacts.ts';
import type { BankContact } from './bank/read-contacts.ts';

const { values } = parseArgs({
  options: { data: { type: 'string' }, rows: { type: 'string' }, window: { type: 'string', default: '4' } },
});
if (values.data === undefined) {
  console.error(
    '--data DIR is missing: the folder with bank-additional.zip, e.g. npm run example:bank -- --data ../shared/data/bank-additional',
  );
  process.exit(2);
}
const contacts = readContacts(values.data).slice(0, values.rows === undefined ? undefined : Number(values.rows));
/** The calls took 30 months, so the model had always learned from all earlier ones: here only the last few may be missing. */
const WINDOW = Number(values.window);
const TOLD_AT_ONCE = 100;
const TOLD_AHEAD = 200;
const LOOP = 'bank';
const READER_PASSWORD = 'bank-example-reader';

const dataDir = mkdtempSync(join(tmpdir(), 'attune-bank-'));
const system = await startSystem({
  dataDir,
  port: await freePort(),
  warehousePort: await freePort(),
  env: { ATTUNE_CATALOG: fileURLToPath(new URL('../catalog/bank', import.meta.url)), ATTUNE_WAREHOUSE_READER_PASSWORD: READER_PASSWORD },
});

const send = createSend(system.url);

const customerOf = (row: number): string => `contact-${row}`;

const tell = async (first: number, rows: readonly BankContact[]): Promise<void> => {
  const events = rows.flatMap(({ customer, call }, i) => {
    const subject = customerOf(first + i);
    return [
      { specversion: '1.0', id: `customer-${first + i}`, source: '/bank', type: 'customer.updated', subject, data: customer },
      { specversion: '1.0', id: `call-${first + i}`, source: '/bank', type: 'contact.made', subject, data: call },
    ];
  });
  await send('POST', '/v1/events', events, 'application/cloudevents-batch+json');
};

/** Until the last of a batch has its events in state. */
const untilKnown = async (row: number): Promise<void> => {
  for (;;) {
    const response = await fetch(`${system.url}/v1/customers/${customerOf(row)}`);
    const body = (await response.json()) as { attributes?: Record<string, unknown> };
    if (response.ok && body.attributes?.['callNumber'] !== undefined) return;
    await delay(5);
  }
};

interface Answer {
  readonly decisionId: string;
  readonly actions: readonly { readonly actionId: string; readonly propensity: number }[];
}

const decideAndAnswer = async (row: number, { context, accepted }: BankContact): Promise<Scored> => {
  const decision = await send<Answer>('POST', '/v1/decisions', {
    customerId: customerOf(row),
    requestId: `call-${row}`,
    channel: 'phone',
    direction: 'inbound',
    loop: LOOP,
    candidates: [{ id: 'term-deposit' }],
    context,
  });
  const action = decision.actions[0];
  if (action === undefined) throw new Error(`row ${row}: the only candidate was not chosen`);
  await send('POST', '/v1/outcomes', {
    decisionId: decision.decisionId,
    actionId: action.actionId,
    outcome: accepted ? 'accepted' : 'rejected',
    reward: accepted ? 1 : 0,
    outcomeId: `call-${row}`,
  });
  return { predicted: action.propensity, truth: accepted };
};

/** Workers without a call that may begin. */
const waiting: (() => void)[] = [];
const wake = (): void => waiting.splice(0).forEach((resume) => resume());

let learned = 0;
let finished = false;
const isFinished = (): boolean => finished;
/** How many outcomes are in the snapshot that decides now. */
const watchModel = async (): Promise<void> => {
  while (!isFinished()) {
    const { models } = await send<{ models: { loop: string; serving: boolean; experiences: number }[] }>('GET', '/v1/models');
    for (const model of models) if (model.loop === LOOP && model.serving) learned = Math.max(learned, model.experiences);
    wake();
    await delay(10);
  }
};

let known = 0;
/** What is known of customers is told some way ahead of their calls, as a bank would. */
const tellAll = async (): Promise<void> => {
  for (let first = 0; first < contacts.length; first += TOLD_AT_ONCE) {
    const isFarAhead = (): boolean => first > answered + TOLD_AHEAD;
    while (isFarAhead()) await delay(5);
    const rows = contacts.slice(first, first + TOLD_AT_ONCE);
    await tell(first, rows);
    await untilKnown(first + rows.length - 1);
    known = first + rows.length;
  }
};

const scored: Scored[] = [];
let next = 0;
let answered = 0;
const startedMs = performance.now();
const perSecond = (): number => Math.round((answered / (performance.now() - startedMs)) * 1_000);
/** A call begins when all but the last WINDOW calls before it have been learned from. */
const work = async (): Promise<void> => {
  while (next < contacts.length) {
    if (next >= known || next >= learned + WINDOW) {
      await new Promise<void>((resolve) => void waiting.push(resolve));
      continue;
    }
    const row = next++;
    scored[row] = await decideAndAnswer(row, contacts[row]!);
    if (++answered % 4_000 === 0) {
      const done = scored.slice(0, answered).filter(Boolean);
      console.log(
        `${answered} rows: AUC ${areaUnderCurve(done).toFixed(4)}, log-loss ${logLoss(done).toFixed(4)} so far; ${perSecond()} rows/s`,
      );
    }
  }
};
const watching = watchModel();
await Promise.all([tellAll(), ...Array.from({ length: Math.min(16, WINDOW) }, work)]);
const rowsPerSecond = perSecond();
finished = true;
await watching;
const half = scored.slice(Math.floor(scored.length / 2));
const bins = calibration(half);
console.log('second half, by tenths of the prediction:  predicted  observed');
for (const { rows, predicted, observed } of bins)
  console.log(`${String(rows).padStart(41)}  ${predicted.toFixed(4).padStart(9)} ${observed.toFixed(4).padStart(9)}`);

const warehouse = openWarehouse({ url: system.warehouseUrl, username: READER, password: READER_PASSWORD, database: 'attune' });
const countIn = async (sql: string): Promise<number> => Number((await warehouse.query<{ n: string | number }>(sql))[0]?.n ?? 0);
const expected = {
  events: 2 * contacts.length,
  decisions: contacts.length,
  outcomes: contacts.length,
  accepted: contacts.filter(({ accepted }) => accepted).length,
};
let found = expected;
for (const deadline = Date.now() + 60_000; Date.now() < deadline; await delay(500)) {
  found = {
    events: await countIn("SELECT count() AS n FROM events FINAL WHERE source = '/bank'"),
    decisions: await countIn(`SELECT count() AS n FROM decisions FINAL WHERE loop = '${LOOP}'`),
    outcomes: await countIn('SELECT count() AS n FROM outcomes FINAL'),
    accepted: await countIn(`SELECT countIf(reward = 1) AS n FROM rewards FINAL WHERE loop = '${LOOP}'`),
  };
  if (JSON.stringify(found) === JSON.stringify(expected)) break;
}
console.log(`in the warehouse: ${JSON.stringify(found)}; sent: ${JSON.stringify(expected)}`);
await warehouse.close();
await system.stop();
rmSync(dataDir, { recursive: true, force: true });

const round = (x: number): number => Math.round(x * 10_000) / 10_000;
const countsMatch = JSON.stringify(found) === JSON.stringify(expected);
console.log(
  JSON.stringify({
    bench: 'bank',
    auc: round(areaUnderCurve(half)),
    logLoss: round(logLoss(half)),
    calibrationError: round(calibrationError(bins)),
    aucAll: round(areaUnderCurve(scored)),
    logLossAll: round(logLoss(scored)),
    rows: scored.length,
    rowsPerSecond,
    countsMatch,
  }),
);
if (!countsMatch) process.exitCode = 1;
