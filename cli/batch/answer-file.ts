/** The file of a batch, one line a customer: begun, or gone on with where it was broken off. */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { AttuneError } from '#contracts';
import type { CustomerKey } from '#contracts';
import type { BatchAnswer } from '#pipeline';

export interface AnswerFile {
  /** Whose line is in the file. */
  readonly known: ReadonlySet<CustomerKey>;
  /** Written when resolved, and on disk once closed. */
  write(answers: readonly BatchAnswer[]): Promise<void>;
  close(): Promise<void>;
}

type Format = 'ndjson' | 'csv';

/** The key first: by it a file of either format is read again. */
const COLUMNS = [
  'customerKey',
  'customerId',
  'decisionId',
  'decidedAt',
  'group',
  'modelVersion',
  'actionId',
  'treatmentId',
  'propensity',
  'probability',
  'value',
  'priority',
  'content',
];
const HEADER = COLUMNS.join(',');
const KEY = /^(?:\{"customerKey":")?([0-9a-f]{32})"?,/;
const NEW_LINE = 10;

/** Throws `config.invalid` for another kind of file. */
export const openAnswerFile = async (path: string): Promise<AnswerFile> => {
  const format = formatOf(path);
  // 0600: what customers are told is for whoever asked for it.
  const file = await open(path, 'a+', 0o600);
  try {
    const { known, whole } = await readKnown(path, format);
    // A line that was broken off is nobody's.
    await file.truncate(whole);
    if (whole === 0 && format === 'csv') await file.appendFile(`${HEADER}\n`);
    return {
      known,
      async write(answers) {
        await file.appendFile(answers.map((answer) => (format === 'csv' ? csvLine(answer) : `${JSON.stringify(answer)}\n`)).join(''));
      },
      close: () => closed(file),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
};

const closed = async (file: FileHandle): Promise<void> => {
  await file.sync();
  await file.close();
};

const formatOf = (path: string): Format => {
  if (/\.(ndjson|jsonl)$/i.test(path)) return 'ndjson';
  if (/\.csv$/i.test(path)) return 'csv';
  throw new AttuneError('config.invalid', `--out: ${path} is neither .ndjson nor .csv`);
};

/** `whole`: bytes up to the end of the last line that was finished. */
const readKnown = async (path: string, format: Format): Promise<{ readonly known: ReadonlySet<CustomerKey>; readonly whole: number }> => {
  const known = new Set<CustomerKey>();
  let [whole, number] = [0, 0];
  let rest = Buffer.alloc(0);
  for await (const piece of createReadStream(path) as AsyncIterable<Buffer>) {
    rest = Buffer.concat([rest, piece]);
    for (let end = rest.indexOf(NEW_LINE); end >= 0; end = rest.indexOf(NEW_LINE)) {
      const line = rest.toString('utf8', 0, end);
      number++;
      whole += end + 1;
      rest = rest.subarray(end + 1);
      if (format === 'csv' && number === 1 && line === HEADER) continue;
      const key = KEY.exec(line)?.[1];
      if (key === undefined)
        throw new AttuneError('config.invalid', `--out: line ${number} of ${path} is not of a batch; give another file`);
      known.add(key as CustomerKey);
    }
  }
  return { known, whole };
};

/** The first of the actions; the others are in a file of lines of JSON. */
const csvLine = ({ customerKey, customerId, decisionId, decidedAt, group, modelVersion, actions }: BatchAnswer): string => {
  const [first] = actions;
  const of =
    first === undefined
      ? COLUMNS.slice(6).map(() => '')
      : [
          first.actionId,
          first.treatmentId,
          first.propensity,
          first.probability,
          first.value,
          first.priority,
          JSON.stringify(first.content),
        ];
  return `${[customerKey, customerId ?? '', decisionId, decidedAt, group, modelVersion, ...of].map(quoted).join(',')}\n`;
};

/** RFC 4180. */
const quoted = (value: string | number): string => {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};
