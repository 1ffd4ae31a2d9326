import { Environment } from '@marcbachmann/cel-js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ConditionError, compileCondition, compileExpression, createExpressionParser, parseExpression } from './compile.ts';
import type { Scope } from './compile.ts';

const library = new Environment({ unlistedVariablesAreDyn: true, homogeneousAggregateLiterals: false });

/** What the library says: a value, or undefined for any of its errors. */
const byLibrary = (source: string, scope: Scope): unknown => {
  try {
    return library.parse(source)(scope);
  } catch {
    return undefined;
  }
};

const scalar = fc.oneof(
  fc.constantFrom('', 'a', 'ab', 'premium', 'é😀'),
  fc.constantFrom(-1, 0, 0.5, 1, 6, 12, NaN),
  fc.boolean(),
  fc.constant(null),
);
const value = fc.oneof(
  { weight: 6, arbitrary: scalar },
  fc.array(scalar, { maxLength: 3 }),
  fc.dictionary(fc.constantFrom('a', 'b', 'ab'), scalar, { maxKeys: 2 }),
);
// The library takes an object with a key 'constructor' for a class instance, so no such key here.
const record = fc.dictionary(fc.constantFrom('p', 'q', 'r'), value, { maxKeys: 4 });
const scopes: fc.Arbitrary<Scope> = fc.record(
  { customer: record, features: record, context: record, action: record },
  { requiredKeys: ['customer', 'features'] },
);

const path = fc
  .tuple(
    fc.constantFrom('customer', 'features', 'context', 'action'),
    fc.constantFrom('p', 'q', 'r', 'constructor'),
    fc.constantFrom('', '', '', '.a', '["ab"]'),
  )
  .map(([root, field, deeper]) => `${root}.${field}${deeper}`);
const literal = fc.constantFrom('"a"', '"premium"', '""', '1.0', '6.0', '0.5', '-1.0', 'true', 'false', 'null');
const { expression } = fc.letrec<{ expression: string; leaf: string }>((tie) => ({
  leaf: fc.oneof(path, path, literal),
  expression: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    tie('leaf'),
    fc
      .tuple(
        tie('expression'),
        fc.constantFrom('==', '!=', '<', '<=', '>', '>=', '&&', '||', '+', '-', '*', '/', '&&', '||'),
        tie('expression'),
      )
      .map(([a, op, b]) => `(${a} ${op} ${b})`),
    fc.tuple(tie('leaf'), fc.constantFrom('==', '!=', '<', '<=', '>', '>='), literal).map(([a, op, b]) => `${a} ${op} ${b}`),
    tie('expression').map((a) => `!(${a})`),
    tie('expression').map((a) => `-(${a})`),
    path.map((p) => `has(${p.replace(/\["ab"\]/, '.ab')})`),
    fc.tuple(tie('leaf'), fc.array(literal, { maxLength: 3 })).map(([a, items]) => `${a} in [${items.join(', ')}]`),
    fc.tuple(tie('leaf'), fc.array(tie('leaf'), { maxLength: 3 })).map(([a, items]) => `${a} in [${items.join(', ')}]`),
    fc.tuple(tie('leaf'), path).map(([a, b]) => `${a} in ${b}`),
    fc.tuple(tie('expression'), tie('expression'), tie('expression')).map(([a, b, c]) => `(${a} ? ${b} : ${c})`),
    fc.tuple(path, fc.constantFrom('startsWith', 'endsWith', 'contains'), literal).map(([a, m, b]) => `${a}.${m}(${b})`),
    fc.tuple(path, fc.constantFrom('>', '==', '<='), fc.constantFrom('1.0', '2.0')).map(([a, op, n]) => `size(${a}) ${op} ${n}`),
  ),
})) as { expression: fc.Arbitrary<string> };

describe('conditions', () => {
  test(
    'compiled code agrees with the CEL library on values, errors and truth, also with missing fields and wrong types',
    { timeout: 120_000 },
    () => {
      let compiled = 0;
      fc.assert(
        fc.property(expression, fc.array(scopes, { minLength: 1, maxLength: 4 }), (source, samples) => {
          let parsed;
          try {
            parsed = parseExpression(source);
          } catch (error) {
            // Refused before it runs: the library must not be able to make a value of it where both can be checked.
            expect(error).toBeInstanceOf(ConditionError);
            return;
          }
          if (parsed.compiled) compiled++;
          for (const scope of samples) {
            const expected = byLibrary(source, scope);
            expect(parsed.condition(scope)).toBe(expected === true);
            expect(parsed.expression(scope)).toEqual(expected);
          }
        }),
        { seed: 7, numRuns: 6_000 },
      );
      expect(compiled).toBeGreaterThan(3_000);
    },
  );

  test('a missing field or a wrong type closes a condition, also under a negation', () => {
    for (const source of [
      'customer.x > 1',
      '!(customer.x > 1)',
      'customer.plan > 1',
      '!customer.plan',
      'customer.x == null',
      'context.page == "bill"',
    ]) {
      expect([source, compileCondition(source)({ customer: { plan: 'basic' } })]).toEqual([source, false]);
    }
    expect(compileCondition('!has(customer.x)')({ customer: {} })).toBe(true);
    expect(compileCondition('customer.x > 1 || customer.plan == "basic"')({ customer: { plan: 'basic' } })).toBe(true);
  });

  test('integer literals are read as doubles, so that arithmetic with features works', () => {
    expect(compileExpression('features.overage90d * 2 + 1')({ features: { overage90d: 1.5 } })).toBe(4);
    expect(compileExpression('5 / 2')({})).toBe(2.5);
    expect(compileExpression('double(size(customer.tags)) + 0x10')({ customer: { tags: ['a'] } })).toBe(17);
  });

  test('what is outside the compiled subset is evaluated by the library, closed as well', () => {
    const parsed = parseExpression('customer.tags.exists(t, t == "vip") && customer.plan.matches("^p")');
    expect(parsed.compiled).toBe(false);
    expect(parsed.condition({ customer: { tags: ['vip'], plan: 'premium' } })).toBe(true);
    expect(parsed.condition({ customer: {} })).toBe(false);
    expect(compileExpression('customer.tags[0]')({ customer: { tags: ['a'] } })).toBe('a');
  });

  test('texts that differ in spacing are one condition', () => {
    expect(parseExpression('customer.plan=="a"&&true')).toBe(parseExpression('customer.plan == "a"  &&  true'));
  });

  test('it says what it reads', () => {
    const parsed = parseExpression('customer.plan == "x" && has(features.calls30d) && now.hour > 8');
    expect([...parsed.reads].toSorted()).toEqual(['customer', 'features', 'now']);
    expect(parsed.fields).toContainEqual(['features', 'calls30d']);
  });

  test('a mistake is refused with a sentence', () => {
    expect(() => compileCondition('customer.plan ==')).toThrow(ConditionError);
    expect(() => compileCondition('custmer.plan == "a"')).toThrow(/custmer/);
    expect(() => compileCondition('')).toThrow(/must be CEL text/);
    expect(() => compileCondition('now.hour % 2 == 0')).toThrow(/double/);
    expect(() => compileCondition('"a" + 1 == 2')).toThrow(/overload/);
  });

  test('hostile text stays text', () => {
    const source = 'customer.plan == "\\"];process.exit(1);//" || customer.plan == "`${1}\\u2028"';
    expect(compileCondition(source)({ customer: { plan: '"];process.exit(1);//' } })).toBe(true);
    expect(compileCondition('has(customer.constructor)')({ customer: {} })).toBe(false);
    expect(compileExpression('customer.__proto__')({ customer: {} })).toBeUndefined();
  });
});

test('a language of its own reads its own names and no others, and counts characters by whole numbers', () => {
  const parse = createExpressionParser<{ value: unknown; key: unknown }>(['value', 'key']);
  const scope = { value: { at: '20261123', bytes: 2_097_152 }, key: 'c-1' };
  expect(parse(`value.at.substring(0, 4) + '-' + value.at.substring(4, 6)`).expression(scope)).toBe('2026-11');
  expect(parse('value.bytes / 1048576').expression(scope)).toBe(2);
  expect(parse(`key == 'c-1'`)).toMatchObject({ compiled: true });
  expect(() => parse('customer.plan')).toThrow(ConditionError);
  expect(() => parseExpression('value.at')).toThrow(ConditionError);
});
