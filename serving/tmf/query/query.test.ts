/** What a query string means, for any attribute and any value. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ProblemError } from '../../errors/problem.ts';
import { mergePatch } from '../merge-patch.ts';
import type { TmfResource } from '../resource.ts';
import { compare, matches } from './filter.ts';
import { parseQuery } from './parse-query.ts';
import { project } from './project.ts';
import { sorted } from './sorted.ts';

const SEED = 20_261_130;
const resource = (more: object): TmfResource => ({ id: 'r-1', href: '/r/r-1', ...more });
const finds = (query: string, more: object): boolean => matches(resource(more), parseQuery(query).filter);

const name = fc
  .stringMatching(/^[@A-Za-z][A-Za-z0-9_]{0,12}$/)
  .filter((one) => !['fields', 'offset', 'limit', 'sort', '__proto__'].includes(one));
const value = fc.string({ unit: 'grapheme', maxLength: 20 }).filter((text) => text.isWellFormed());
const path = fc.array(name, { minLength: 1, maxLength: 4 }).filter((parts) => !['gt', 'gte', 'lt', 'lte', 'eq'].includes(parts.at(-1)!));
const nested = (parts: readonly string[], leaf: unknown): Record<string, unknown> =>
  parts.toReversed().reduce<unknown>((inside, part) => ({ [part]: inside }), leaf) as Record<string, unknown>;

test('a value finds the resource that has it, however it is written in the URL', () => {
  fc.assert(
    fc.property(path, value, (parts, text) => {
      const key = encodeURIComponent(parts.join('.'));
      const has = nested(parts, text);
      expect(finds(`${key}=${encodeURIComponent(text)}`, has)).toBe(true);
      expect(finds(new URLSearchParams([[parts.join('.'), text]]).toString(), has)).toBe(true);
      expect(finds(`${key}=${encodeURIComponent(`${text}x`)}`, has)).toBe(text.includes(',') && `${text}x`.split(',').includes(text));
      expect(finds(`${key}=other&${key}=${encodeURIComponent(text)}`, has)).toBe(true);
      expect(finds(`${key}=other,${encodeURIComponent(text)}`, has)).toBe(!text.includes(','));
      expect(finds(`${key}=${encodeURIComponent(text)}`, {})).toBe(false);
    }),
    { seed: SEED, numRuns: 500 },
  );
});

test('orders agree with numbers and with each other', () => {
  fc.assert(
    fc.property(
      path,
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      (parts, a, b) => {
        const key = encodeURIComponent(parts.join('.'));
        const has = nested(parts, a);
        expect(finds(`${key}.gt=${b}`, has)).toBe(a > b);
        expect(finds(`${key}.gte=${b}`, has)).toBe(a >= b);
        expect(finds(`${key}.lt=${b}`, has)).toBe(a < b);
        expect(finds(`${key}.lte=${b}`, has)).toBe(a <= b);
        expect(finds(`${key}>${b}`, has)).toBe(a > b);
        expect(finds(`${key}%3C=${b}`, has)).toBe(a <= b);
        expect(Math.sign(compare(a, b)!)).toBe(-Math.sign(compare(b, a)!) + 0);
      },
    ),
    { seed: SEED, numRuns: 300 },
  );
});

test('no text at all breaks the parser: it is read, or refused with the parameter at fault', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[a-z.=&;<>%,+0-9]{0,60}$/)), (text) => {
      try {
        matches(resource({ a: 1 }), parseQuery(text).filter);
      } catch (error) {
        expect(error).toBeInstanceOf(ProblemError);
      }
    }),
    { seed: SEED, numRuns: 2_000 },
  );
});

test('moments compare by time, whatever their zone', () => {
  const has = { sendTime: '2020-02-10T00:00:00+01:00', phone: '+4930123' };
  expect(finds('sendTime=2020-02-09T23:00:00Z', has)).toBe(true);
  expect(finds('sendTime.gt=2020-02-09T22:59:59.999Z', has)).toBe(true);
  expect(finds('sendTime%3E2020-02-11', has)).toBe(false);
  expect(finds('sendTime.lte=2020-02-10T00:00:00+01:00', has)).toBe(true);
  expect(finds('phone=+4930123', has)).toBe(true);
});

test('a path through arrays is held by any element, a semicolon is an alternative, and a URL is a value', () => {
  const has = { receiver: [{ id: 'a' }, { id: 'b', party: { href: 'https://x.example/p/1?v=2' } }], state: 'failed', text: 'a;b' };
  expect(finds('receiver.id=b', has)).toBe(true);
  expect(finds('receiver.id=c', has)).toBe(false);
  expect(finds('receiver.party.href=https%3A%2F%2Fx.example%2Fp%2F1%3Fv%3D2', has)).toBe(true);
  expect(finds('receiver.party.href=https://x.example/p/1?v=2', has)).toBe(true);
  expect(finds('state=initial;receiver.id=a', has)).toBe(true);
  expect(finds('text=a;b', has)).toBe(true);
  expect(finds('constructor=Object', has)).toBe(false);
});

test('id and href are always shown, and fields reach into what is nested', () => {
  const whole = resource({ state: 'initial', receiver: [{ id: 'a', name: 'A' }], sender: {} });
  const shown = (query: string): object => project(whole, parseQuery(query).fields);
  expect(shown('')).toEqual(whole);
  expect(shown('fields=state&fields=nothing')).toEqual({ id: 'r-1', href: '/r/r-1', state: 'initial' });
  expect(shown('fields=receiver.name,sender')).toEqual({ id: 'r-1', href: '/r/r-1', receiver: [{ name: 'A' }], sender: {} });
  expect(shown('fields=none')).toEqual({ id: 'r-1', href: '/r/r-1' });
});

test('sort goes by several keys, each in its direction, and what is missing comes last', () => {
  const rows = [{ a: 2, b: 'x' }, { a: 10, b: 'y' }, { b: 'z' }, { a: 2, b: 'w' }];
  expect(sorted(rows, parseQuery('sort=a,-b').sort).map(({ b }) => b)).toEqual(['x', 'w', 'y', 'z']);
  expect(sorted(rows, parseQuery('sort=-a,+b').sort).map(({ b }) => b)).toEqual(['y', 'w', 'x', 'z']);
});

test('a merge patch does what RFC 7396 shows, and touches nothing', () => {
  const target = Object.freeze({ a: 'b', c: Object.freeze({ d: 'e', f: 'g' }) });
  expect(mergePatch(target, { a: 'z', c: { f: null } })).toEqual({ a: 'z', c: { d: 'e' } });
  expect(mergePatch({ a: [{ b: 'c' }] }, { a: [1] })).toEqual({ a: [1] });
  expect(mergePatch({}, { a: { bb: { ccc: null } } })).toEqual({ a: { bb: {} } });
});
