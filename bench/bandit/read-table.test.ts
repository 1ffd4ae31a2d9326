import { expect, test } from 'vitest';
import { recordsOf, tableOf } from './read-table.ts';

const read = (text: string, label: string, options: { header?: boolean; drop?: string[] } = {}) =>
  tableOf(recordsOf(text), { file: 'table.csv', label, ...options });

test('finds the header, the numbers and the categories by itself', () => {
  const table = read('age;plan;churn\n30;basic;no\n41;plus;yes\n?;plus;no\n', 'churn');
  expect(table.classes).toEqual(['no', 'yes']);
  expect([...table.labels]).toEqual([0, 1, 0]);
  expect(table.contexts).toEqual([{ age: 30, plan: 'basic' }, { age: 41, plan: 'plus' }, { plan: 'plus' }]);
});

test('reads a table without header, between blanks, its label by index', () => {
  const table = read('50 21 1\n53 0 4\n37 7 1\n', '2');
  expect(table.classes).toEqual(['1', '4']);
  expect(table.contexts[1]).toEqual({ column0: 53, column1: 0 });
});

test('a header above categories only is a header, and drops what is named', () => {
  const table = read('Class,cap,odor\ne,x,n\np,x,f\ne,b,n\n', '0', { drop: ['cap'] });
  expect(table.columns).toEqual(['odor']);
  expect(table.contexts).toHaveLength(3);
});

test('says which column or row is at fault', () => {
  expect(() => read('a,b\n1,2\n3,4\n', 'c')).toThrow('has no column c; it has a, b');
  expect(() => read('a,b\n1,2\n3\n', 'b')).toThrow('row 2 has 1 fields');
  expect(() => read('a,b\n1,2\n3,2\n', 'b')).toThrow('nothing to choose');
  expect(() => read('a,b\n', 'b', { header: true })).toThrow('has no rows');
});
