/** The fast encoding of a receipt is the codec's, byte by byte. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decisionCodec, type Decision } from '#contracts';
import { AvroWriter } from './avro-writer.ts';
import { encodeReceipt } from './encode-receipt.ts';

const SEED = 7;
const key = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes));
const bytes = fc.uint8Array({ maxLength: 300 }).map((some) => Buffer.from(some));
const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 100 }),
  fc.string({ maxLength: 80 }),
  fc.constantFrom('', 'x'.repeat(63), 'x'.repeat(64), 'é'.repeat(63), 'y'.repeat(70_000)),
);
const maybe = fc.option(text, { nil: null });
/** The codec takes no more. */
const LARGEST = Number.MAX_SAFE_INTEGER - 1;
const long = fc.oneof(
  fc.integer({ min: -LARGEST, max: LARGEST }),
  fc.integer(),
  fc.constantFrom(0, -1, 2 ** 30 - 1, 2 ** 30, -(2 ** 30), -(2 ** 30) - 1, 2 ** 31, 2 ** 32, 2 ** 52, LARGEST),
);
/** A receipt's longs count from zero; below -2^52 the codec itself is not exact. */
const count = long.map((value) => Math.abs(value));
const int = fc.integer();
const float = fc.float({ noNaN: true });
const double = fc.double({ noNaN: true });

const decision: fc.Arbitrary<Decision> = fc.record({
  decisionId: key,
  subjectKind: text,
  subjectId: maybe,
  customerKey: key,
  anonymous: fc.boolean(),
  requestId: maybe,
  decidedAt: count,
  channel: text,
  direction: fc.constantFrom('inbound', 'outbound'),
  placement: maybe,
  limit: int,
  loop: text,
  context: text,
  ownCandidates: maybe,
  allowNone: fc.boolean(),
  seed: count,
  group: fc.constantFrom('model', 'random', 'untouched'),
  catalogVersion: text,
  controlsVersion: count,
  modelVersion: text,
  modelSnapshot: count,
  degraded: fc.array(text, { maxLength: 3 }),
  customerKnown: fc.boolean(),
  state: bytes,
  featureSet: text,
  features: fc.array(float),
  stages: bytes,
  scored: fc.array(int),
  propensities: fc.array(float),
  priorities: fc.array(double),
  gammas: fc.array(float),
  probabilities: fc.array(double),
  chosen: fc.array(
    fc.record({
      rank: int,
      index: int,
      actionId: text,
      treatmentId: text,
      propensity: float,
      probability: double,
      value: double,
      priority: double,
    }),
    { maxLength: 4 },
  ),
  noneProbability: fc.option(double, { nil: null }),
  latencyUs: int,
  policy: fc.string({ minLength: 1, maxLength: 80 }),
  policyParameters: fc.array(double),
  standardErrors: fc.array(float),
  cause: fc.oneof(fc.constant(''), text),
  rootId: fc.option(key, { nil: null }),
  scope: fc.constantFrom('', '{"topics":["fiber"]}'),
  holdouts: fc.oneof(fc.constant([]), fc.array(float)),
  heldOut: fc.oneof(fc.constant(-1), int),
  contactCosts: fc.oneof(fc.constant([]), fc.array(float)),
});
/** What the API makes: nothing that only the third version says. */
const plain = decision.map((one): Decision => ({
  ...one,
  cause: '',
  rootId: null,
  scope: '',
  holdouts: [],
  heldOut: -1,
  contactCosts: [],
}));

test("every receipt has the codec's bytes", () => {
  fc.assert(
    fc.property(fc.oneof(decision, plain), (one) => {
      expect(encodeReceipt(one).equals(decisionCodec.encode(one))).toBe(true);
    }),
    { seed: SEED, numRuns: 300 },
  );
});

test('the fast way is the one in use: the schema is the one it was written for', () => {
  expect(encodeReceipt.name).toBe('encodeKnown');
});

test('longs are exact to 2^53', () => {
  fc.assert(
    fc.property(long, (value) => {
      const writer = new AvroWriter();
      writer.long(value);
      let n = 0n;
      writer.take().forEach((byte, index) => (n |= BigInt(byte & 0x7f) << BigInt(7 * index)));
      expect(Number((n >> 1n) ^ -(n & 1n))).toBe(value);
    }),
    { seed: SEED, numRuns: 500 },
  );
});
