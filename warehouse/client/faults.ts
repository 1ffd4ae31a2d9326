/** Which failures of the warehouse pass by themselves. */
import { ClickHouseError } from '@clickhouse/client';
import { AttuneError, EngineUnavailable } from '#contracts';

/** Time-outs, too many queries or parts, memory, network, table locks, keeper. */
const PASSING = new Set([
  '3',
  '23',
  '107',
  '159',
  '202',
  '203',
  '209',
  '210',
  '225',
  '236',
  '241',
  '242',
  '252',
  '279',
  '285',
  '319',
  '394',
  '425',
  '439',
  '473',
  '517',
  '999',
]);

/** EngineUnavailable where the same call may succeed later, else `warehouse.refused`. */
export const warehouseFault = (error: unknown, doing: string): AttuneError => {
  if (error instanceof AttuneError) return error;
  const message = error instanceof Error ? error.message || ((error as NodeJS.ErrnoException).code ?? error.name) : String(error);
  if (!(error instanceof ClickHouseError)) return new EngineUnavailable('warehouse', `${doing}: ${message}`, error);
  const text = `${doing}: ClickHouse says ${error.code} ${error.type ?? ''}: ${message}`;
  return PASSING.has(error.code)
    ? new EngineUnavailable('warehouse', text, error)
    : new AttuneError('warehouse.refused', text, { cause: error });
};
