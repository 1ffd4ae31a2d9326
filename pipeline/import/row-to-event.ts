/** A row as a record of the log. */
import { TOPICS, customerKeyToBytes, eventCodec, shardOf, type CustomerKeyFunction } from '#contracts';
import type { AppendRecord } from '#event-log';
import type { EventType } from '#project';
import { convertValue } from './convert-value.ts';
import type { ColumnPlan } from './plan-columns.ts';
import type { SourceRecord } from './source.ts';
import { textOfCell } from './text-of-cell.ts';

export interface RowDeps {
  readonly plan: ColumnPlan;
  readonly type: EventType;
  readonly customerKey: CustomerKeyFunction;
  /** CloudEvents source. */
  readonly source: string;
  /** Of the file's content; with the line it names the event, so that the same row again counts once. */
  readonly fileHash: string;
  /** When the rows were true, where no cell says so; ms since 1970 UTC. */
  readonly atMs: number;
  readonly receivedAtMs: () => number;
}

export type RowResult = { readonly record: AppendRecord } | { readonly fault: string };

export const rowToEvent = (deps: RowDeps, { line, values, fault }: SourceRecord): RowResult => {
  if (fault !== null) return { fault };
  const { plan, type } = deps;
  const id = textOfCell(values[plan.customerId]).trim();
  if (id === '') return { fault: "the customer's id is empty" };
  const cell = plan.time === null ? null : values[plan.time];
  const time = textOfCell(cell).trim() === '' ? deps.atMs : timeOf(cell);
  if (time === null) return { fault: `the time must be a date as in 2026-11-25T10:00:00Z or ms since 1970, not ${JSON.stringify(cell)}` };
  const data: Record<string, unknown> = {};
  for (const { column, field } of plan.fields) {
    const converted = convertValue(values[column], field);
    if (converted === undefined) continue;
    if ('fault' in converted) return converted;
    data[field.name] = converted.value;
  }
  const message = type.validate(data);
  if (message !== null) return { fault: message.replace(/^data\./, '') };
  const value = eventCodec.encode({
    id: `${deps.fileHash}-${line}`,
    source: deps.source,
    type: type.name,
    subjectKind: 'customer',
    subjectId: id,
    customerKey: customerKeyToBytes(deps.customerKey({ kind: 'customer', id })),
    time,
    receivedAt: deps.receivedAtMs(),
    data: JSON.stringify(data),
  });
  return { record: { topic: TOPICS.events, shard: shardOf(id), value } };
};

/** Null: it is no time. */
const timeOf = (cell: unknown): number | null => {
  if (cell instanceof Date) return cell.getTime();
  if (typeof cell === 'number' || typeof cell === 'bigint') return wholeOrNull(Number(cell));
  const text = textOfCell(cell).trim();
  return /^\d{10,}$/.test(text) ? wholeOrNull(Number(text)) : wholeOrNull(Date.parse(text));
};

const wholeOrNull = (ms: number): number | null => (Number.isSafeInteger(ms) && ms >= 0 ? ms : null);
