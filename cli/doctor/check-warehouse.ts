/** The warehouse: that it answers, and that its tables are today's. */
import type { Config } from '../config.ts';
import { openConfiguredWarehouse } from '../open-warehouse.ts';
import { checkPackage, checkPort } from './check-machine.ts';
import { fault, ok } from './finding.ts';
import type { Finding } from './finding.ts';

/** Embedded, the pipeline brings its tables to date by itself; so does it with a server, and here one sees it before. */
export const checkWarehouse = async (config: Config, fix: boolean): Promise<readonly Finding[]> => {
  const { url, database } = config.clickhouse;
  if (url === null)
    return [
      await checkPackage(
        'chdb',
        'the embedded warehouse does not run: point CLICKHOUSE_URL at a ClickHouse server; until then the log keeps the rows',
      ),
      await checkPort(config.warehousePort),
    ];
  const server = `ClickHouse at ${withoutSecrets(url)}`;
  const warehouse = openConfiguredWarehouse(config);
  try {
    await warehouse.ping();
    const done = fix ? await warehouse.migrate() : [];
    const pending = await warehouse.pending();
    return [
      ...done.map((text): Finding => ({ state: 'done', text: `${server}: ${text}` })),
      pending.length === 0
        ? ok(`${server}: the tables of ${database} are up to date`)
        : fault(
            `${server}: ${database} lacks ${pending.join(', ')}; attune doctor --fix brings it to date, and so does the pipeline when it starts`,
          ),
    ];
  } catch (error) {
    return [fault(`${server}: ${(error as Error).message}`)];
  } finally {
    await warehouse.close();
  }
};

/** A URL may hold a password. */
const withoutSecrets = (url: string): string => {
  const parsed = new URL(url);
  return `${parsed.protocol}//${parsed.host}`;
};
