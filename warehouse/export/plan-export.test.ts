import { expect, test } from 'vitest';
import { parseCondition } from './parse-condition.ts';
import { planExport, type TableToExport } from './plan-export.ts';

const column = (name: string, type: string) => ({ name, type, comment: '' });
const table: TableToExport = {
  name: 'decisions',
  columns: [
    column('decision_id', 'UUID'),
    column('customer_key', 'FixedString(32)'),
    column('decided_at', "DateTime64(3, 'UTC')"),
    column('channel', 'LowCardinality(String)'),
    column('loop', 'LowCardinality(String)'),
    column('context', 'Map(LowCardinality(String), String)'),
    column('candidates.probability', 'Array(Float32)'),
    column('pairs.last_shown_at', "Array(DateTime64(3, 'UTC'))"),
    column('reward', 'Nullable(Float64)'),
  ],
  sortingKey: "UUIDv7ToDateTime(decision_id, 'UTC'), decision_id",
};

test('a table is read with FINAL in the order of its own key, a view by time and ids', () => {
  expect(planExport(table, { format: 'parquet', columns: ['channel'] }).sql).toBe(
    "SELECT toString(t.`channel`) AS `channel` FROM `decisions` AS t FINAL ORDER BY UUIDv7ToDateTime(t.`decision_id`, 'UTC'), t.`decision_id`",
  );
  expect(planExport({ ...table, sortingKey: null }, { format: 'parquet', columns: ['channel'] }).sql).toBe(
    'SELECT toString(t.`channel`) AS `channel` FROM `decisions` AS t ORDER BY t.`decided_at`, t.`decision_id`',
  );
});

test('what a user gives is bound as a parameter, and is never SQL', () => {
  const evil = "app' OR 1=1 --";
  const { sql, params } = planExport(table, {
    format: 'csv',
    fromMs: 5,
    toMs: 9,
    loop: evil,
    where: [parseCondition(`channel = ${evil}`), parseCondition('reward>=0.5')],
    columns: ['reward'],
  });
  expect(sql).toContain(
    "WHERE t.`decided_at` >= fromUnixTimestamp64Milli({p0:Int64}, 'UTC') AND t.`decided_at` < fromUnixTimestamp64Milli({p1:Int64}, 'UTC')" +
      ' AND t.`loop` = {p2:String} AND t.`channel` = {p3:String} AND t.`reward` >= {p4:Float64}',
  );
  expect(sql).not.toContain('OR 1=1');
  expect(params).toEqual({ p0: '5', p1: '9', p2: evil, p3: evil, p4: '0.5' });
});

test('ids, keys, lists and maps are written so that other tools read them', () => {
  const items = (format: 'parquet' | 'csv') => planExport(table, { format }).sql.split(' FROM ')[0]!;
  expect(items('parquet')).toContain('toString(t.`decision_id`) AS `decision_id`');
  expect(items('parquet')).toContain("CAST(t.`context`, 'Map(String, String)') AS `context`");
  expect(items('parquet')).toContain('t.`pairs.last_shown_at` AS `pairs.last_shown_at`');
  expect(items('csv')).toContain('toJSONString(t.`candidates.probability`) AS `candidates.probability`');
});

test('in the words of causal inference the logging probability is the propensity, and ours gives way to it', () => {
  const view: TableToExport = {
    name: 'experiences',
    columns: [column('decided_at', "DateTime64(3, 'UTC')"), column('propensity', 'Float32'), column('probability', 'Float32')],
    sortingKey: null,
  };
  const { sql, columns } = planExport(view, { format: 'parquet', words: 'causal' });
  expect(sql).toContain('t.`propensity` AS `p_accepted`, t.`probability` AS `propensity`');
  expect(columns.map(({ name }) => name)).toEqual(['decided_at', 'p_accepted', 'propensity']);
});

test.each([
  ['an unknown column', { columns: ['nothing'] }, /decisions has no column nothing; it has decision_id, .*reward/, 'export.unknown-column'],
  ['an unknown column of --where', { where: [parseCondition('x=1')] }, /no column x/, 'export.unknown-column'],
  ['a comparison of a map', { where: [parseCondition('context=1')] }, /decisions\.context is a Map.*cannot compare/, 'export.invalid'],
] as const)('%s is refused by name', (_, request, message, code) => {
  const plan = () => planExport(table, { format: 'csv', ...request });
  expect(plan).toThrow(message);
  expect(plan).toThrow(expect.objectContaining({ code }));
});

test('a table without a time has no --from', () => {
  expect(() =>
    planExport({ name: 'stages', columns: [column('code', 'UInt8')], sortingKey: 'code' }, { format: 'csv', fromMs: 1 }),
  ).toThrow(/stages has no column of time/);
});

test.each(['', 'channel', '=app', 'channel LIKE app', '1=1'])("'%s' is no condition", (text) => {
  expect(() => parseCondition(text)).toThrow(/--where takes COLUMN=VALUE/);
});
