/** `attune import FILE.csv|.parquet|.jsonl`: customers' attributes, as events on the log. */
import { statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Type } from 'typebox';
import { AttuneError, createCustomerKey } from '#contracts';
import { createProgressLines, hashOfFile, importFile, openSource, planColumns } from '#pipeline';
import { compileEventTypes, loadProject } from '#project';
import type { EventType } from '#project';
import type { Config } from '../config.ts';
import { EXIT } from '../exit-codes.ts';
import { openIdKey } from '../id-key.ts';
import { awaitStores } from '../open-stores.ts';
import { readYamlFile } from '../read-yaml-file.ts';

const MappingSchema = Type.Object(
  {
    customerId: Type.Optional(Type.String({ minLength: 1 })),
    time: Type.Optional(Type.String({ minLength: 1 })),
    columns: Type.Optional(Type.Record(Type.String(), Type.String())),
    ignore: Type.Optional(Type.Array(Type.String())),
  },
  { additionalProperties: false },
);

export const importCommand = async (config: Config, args: readonly string[]): Promise<void> => {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      map: { type: 'string' },
      type: { type: 'string', default: 'customer.updated' },
      at: { type: 'string' },
      delimiter: { type: 'string' },
      again: { type: 'boolean', default: false },
      'max-lag': { type: 'string', default: '2000000' },
    },
  });
  const [file] = positionals;
  if (file === undefined || positionals.length > 1)
    throw new AttuneError('config.invalid', 'attune import takes one file: FILE.csv, FILE.parquet or FILE.jsonl');
  const path = resolve(file);
  const type = eventTypeOf(config, values.type);
  const source = await openSource(path, values.delimiter === '\\t' ? '\t' : (values.delimiter ?? null));
  const plan = planColumns(
    source.columns,
    type,
    values.map === undefined ? {} : readYamlFile(values.map, MappingSchema, 'mapping (customerId, time, columns, ignore)'),
  );
  const atMs = values.at === undefined ? Math.floor(statSync(path).mtimeMs) : timeOf(values.at);
  const maxLag = Number(values['max-lag']);
  if (!Number.isInteger(maxLag) || maxLag < 0)
    throw new AttuneError('config.invalid', `--max-lag must be a whole number, not '${values['max-lag']}'`);
  const fileHash = await hashOfFile(path);
  const stores = await awaitStores(config, { info: console.log, warn: console.log, error: console.error });
  const rejectedPath = `${path}.rejected.csv`;
  const beganMs = performance.now();
  try {
    const { accepted, rejected } = await importFile({
      log: stores.log,
      source,
      row: {
        plan,
        type,
        customerKey: createCustomerKey(openIdKey(config)),
        source: `/import/${basename(path)}`,
        fileHash,
        atMs,
        receivedAtMs: Date.now,
      },
      statePath: join(config.dataDir, 'imports', `${fileHash}.json`),
      rejectedPath,
      again: values.again,
      maxLag: maxLag === 0 ? null : maxLag,
      onProgress: createProgressLines({ print: console.log }),
      onWait: console.log,
    });
    const seconds = (performance.now() - beganMs) / 1_000;
    console.log(`${accepted.toLocaleString('en')} rows accepted, ${rejected.toLocaleString('en')} rejected, in ${seconds.toFixed(1)} s`);
    if (rejected > 0) {
      console.log(`the rejected rows and why: ${rejectedPath}`);
      process.exitCode = EXIT.failed;
    }
  } finally {
    await stores.close();
  }
};

const eventTypeOf = (config: Config, name: string): EventType => {
  const types = compileEventTypes(loadProject(config.catalogDir));
  const type = types.get(name);
  if (type === null) throw new AttuneError('config.invalid', `events.yaml names no event type '${name}'; it has ${types.names.join(', ')}`);
  return type;
};

const timeOf = (text: string): number => {
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw new AttuneError('config.invalid', `--at must be a date as in 2026-11-25T10:00:00Z, not '${text}'`);
  return ms;
};
