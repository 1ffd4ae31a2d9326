import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { decisionCodec } from '#contracts';
import type { Decision } from '#contracts';
import { loadProject } from '#project';
import { compileCatalog, contentOf, decide, explain, redecide, verifyReceipt } from '../index.ts';
import type { DecideInput } from '../index.ts';
import firstVersion from './receipts-of-version-1.json' with { type: 'json' };
import secondVersion from './receipts-of-version-2.json' with { type: 'json' };
import { createSmallProject } from '../testing/small-project.ts';
import { createInput, createReceipt, createTestScorer, createView } from '../testing/fixtures.ts';

const catalog = compileCatalog(loadProject(fileURLToPath(new URL('../../catalog/telco', import.meta.url))));
const OFF = { stopOutbound: false, pausedActions: ['fiber-500'], pausedChannels: [], explorationOff: true };
const own = ['a', 'b', 'c'].map((id) => ({ id, features: {} }));
const kinds: readonly (readonly [string, Partial<DecideInput>])[] = [
  ['ordinary', {}],
  ['three slots', { limit: 3, placement: 'home-hero' }],
  ['mandatory first', { limit: 3, view: createView({ attributes: { outageNow: true } }) }],
  ['no model', { scorer: null }],
  ['failed read', { readFailed: true, limit: 2 }],
  ['controls', { controls: OFF }],
  ['own candidates', { ownCandidates: own, limit: 2 }],
  ['own candidates with none', { ownCandidates: own, allowNone: true }],
  ['outbound', { channel: 'sms', direction: 'outbound' }],
  [
    'held out',
    { channel: 'sms', direction: 'outbound', limit: 2, holdouts: new Map(catalog.actions.map(({ id }, i) => [id, 0.1 + (i % 5) / 7])) },
  ],
  [
    'held out with exploration off',
    { channel: 'email', direction: 'outbound', controls: OFF, holdouts: new Map(catalog.actions.map(({ id }) => [id, 0.5])) },
  ],
  [
    'what contacting costs',
    {
      channel: 'sms',
      direction: 'outbound',
      limit: 2,
      holdouts: new Map(catalog.actions.map(({ id }) => [id, 0.2])),
      contactCosts: new Map(catalog.actions.map(({ id }, i) => [id, (i % 7) / 3 - 0.5])),
    },
  ],
  ['of a scope', { scope: { topics: ['fiber', 'billing'], actions: ['music-pass'] }, limit: 2 }],
];
const POLICIES = [
  '{ policy: inverseGap, floor: 0.001 }',
  '{ policy: thompson }',
  '{ policy: neuralLinear, floor: 0.001 }',
  '{ policy: thompson, draws: 1000, correlation: 0.4 }',
  '{ policy: softmax, temperature: 0.2 }',
  '{ policy: epsilonGreedy, epsilon: 0.2, decay: 1000, least: 0.02 }',
  '{ policy: greedy }',
  '{ policy: uniform }',
];
/** Through the wire format, as it will be read. */
const receiptOf = (options: Partial<DecideInput>) => {
  const { group: _, ...input } = createInput(catalog, options);
  return { input, receipt: decisionCodec.decode(decisionCodec.encode(createReceipt(input, decide(input)))) };
};

describe('receipts', () => {
  test.each(kinds)('decided again from recorded scores they are identical, bit for bit: %s', (_, options) => {
    for (let seed = 0; seed < 30; seed++) {
      const { input, receipt } = receiptOf({
        ...options,
        seed: seed * 1_234_567_890_123,
        scorer: options.scorer === null ? null : createTestScorer(seed),
      });
      expect(verifyReceipt({ receipt, catalog, view: input.view })).toEqual([]);
      expect(verifyReceipt({ receipt, catalog, view: input.view, controls: input.controls })).toEqual([]);
      expect(redecide({ receipt, catalog, view: input.view }).chosen).toEqual(receipt.chosen);
    }
  });

  test.each(POLICIES)('decided again under %s they are identical, through the wire', (exploration) => {
    const explored = compileCatalog(createSmallProject(exploration));
    for (const options of [{ limit: 3 }, { scorer: null }, { ownCandidates: own, allowNone: true, limit: 2 }, { controls: OFF }, {}]) {
      const spec = 'ownCandidates' in options ? explored.ownExploration : explored.exploration;
      for (let seed = 0; seed < 8; seed++) {
        const { group: _, ...input } = createInput(explored, {
          scorer: createTestScorer(seed, 20 * seed, 0.02),
          seed: seed * 1e14,
          ...options,
        });
        const receipt = decisionCodec.decode(decisionCodec.encode(createReceipt(input, decide(input))));
        expect(verifyReceipt({ receipt, catalog: explored, view: input.view })).toEqual([]);
        expect(verifyReceipt({ receipt, catalog: explored, view: input.view, controls: input.controls })).toEqual([]);
        expect(redecide({ receipt, catalog: explored, view: input.view }).chosen).toEqual(receipt.chosen);
        if (receipt.group === 'model' && input.controls === null) expect(receipt.policyParameters![0]).toBe(spec.floor);
        for (const p of input.controls === null ? receipt.probabilities : []) expect(p).toBeGreaterThanOrEqual(spec.floor * (1 - 1e-9));
      }
    }
  });

  test('those of the first version, which did not name a policy, are decided again as they were', () => {
    const small = compileCatalog(createSmallProject());
    const viewOf = ({ customerKey }: Decision) => createView({ key: customerKey.toString('hex') });
    for (const [name, base64] of Object.entries(firstVersion)) {
      const receipt = decisionCodec.decode(Buffer.from(base64, 'base64'));
      expect(receipt, name).toMatchObject({ policy: '', policyParameters: [], standardErrors: [] });
      expect(verifyReceipt({ receipt, catalog: small, view: viewOf(receipt) }), name).toEqual([]);
      const altered = { ...receipt, propensities: receipt.propensities.map((p) => p * 1.01) };
      expect(verifyReceipt({ receipt: altered, catalog: small, view: viewOf(receipt) }).join(), name).toMatch(/^digest/);
    }
  });

  test('those of the second version, which know no hold-out, keep their seal and are decided again as they were', () => {
    const small = compileCatalog(createSmallProject());
    for (const [name, base64] of Object.entries(secondVersion)) {
      const receipt = decisionCodec.decode(Buffer.from(base64, 'base64'));
      const view = createView({ key: receipt.customerKey.toString('hex') });
      expect(receipt, name).toMatchObject({ cause: '', rootId: null, scope: '', holdouts: [], heldOut: -1 });
      expect(receipt.policy, name).not.toBe('');
      expect(verifyReceipt({ receipt, catalog: small, view }), name).toEqual([]);
      // Read and written again in today's schema, as a registry does.
      expect(verifyReceipt({ receipt: decisionCodec.decode(decisionCodec.encode(receipt)), catalog: small, view }), name).toEqual([]);
      for (const altered of [
        { cause: 'snooze' },
        { rootId: Buffer.alloc(16) },
        { scope: '{}' },
        { holdouts: [0.1] },
        { heldOut: 0 },
        { contactCosts: [1] },
      ])
        expect(verifyReceipt({ receipt: { ...receipt, ...altered }, catalog: small, view }).join(), name).toMatch(/^digest/);
    }
  });

  test('say who wanted them and where a chain began, and find it when that is altered', () => {
    const { group: _, ...input } = createInput(catalog, { channel: 'sms', direction: 'outbound' });
    const facts = { cause: 'trigger:bill-shock', rootId: Buffer.alloc(16, 3) };
    const receipt = decisionCodec.decode(decisionCodec.encode(createReceipt(input, decide(input), facts)));
    expect(receipt).toMatchObject(facts);
    expect(verifyReceipt({ receipt, catalog, view: input.view })).toEqual([]);
    expect(verifyReceipt({ receipt: { ...receipt, cause: '' }, catalog, view: input.view }).join()).toMatch(/^digest/);
  });

  test('say of what was held out that it was, and why', () => {
    for (let seed = 0; seed < 50; seed++) {
      const { group: _, ...input } = createInput(catalog, {
        channel: 'sms',
        direction: 'outbound',
        seed,
        holdouts: new Map(catalog.actions.map(({ id }) => [id, 0.5])),
      });
      const verdict = decide(input);
      if (verdict.heldOut < 0) continue;
      const { candidates, summary } = explain({ receipt: createReceipt(input, verdict), catalog, view: input.view });
      const held = candidates[verdict.scored[verdict.heldOut]!]!;
      expect(held).toMatchObject({ stage: 'scored', rank: null });
      expect(held.reason).toMatch(/^Chosen, and held out: .*50 %/);
      expect(summary).toContain(`nothing was shown, ${held.actionId} was held out.`);
      return;
    }
    expect.unreachable('half of them are held out');
  });

  test('name what drew: the policy with its parameters, or that none did', () => {
    const of = (exploration: string, options: Partial<DecideInput> = {}) => {
      const { policy, policyParameters, standardErrors } = decide(createInput(compileCatalog(createSmallProject(exploration)), options));
      return { policy, policyParameters, errors: standardErrors.length };
    };
    expect(of('')).toEqual({ policy: 'inverseGap', policyParameters: [0], errors: 0 });
    expect(of('{ policy: thompson }')).toEqual({ policy: 'thompson', policyParameters: [1e-4], errors: 6 });
    expect(of('{ policy: neuralLinear, draws: 2000, correlation: 0.3, floor: 0 }').policyParameters).toEqual([0, 2000, 0.3]);
    expect(of('{ policy: epsilonGreedy, epsilon: 0.3, decay: 500 }')).toEqual({
      policy: 'epsilonGreedy',
      policyParameters: [0, 0.15],
      errors: 0,
    });
    expect(of('{ policy: softmax }', { group: 'random' })).toEqual({ policy: 'random', policyParameters: [], errors: 0 });
    expect(of('{ policy: softmax }', { controls: OFF })).toEqual({ policy: 'off', policyParameters: [], errors: 0 });
  });

  test("a policy's standard errors are the posterior's where it asks for them and the model has them, else from counts", () => {
    const errors = (policy: string, posterior: number | null) =>
      decide(createInput(compileCatalog(createSmallProject(`{ policy: ${policy} }`)), { scorer: createTestScorer(1, 99, posterior) }));
    expect(errors('neuralLinear', 0.25).standardErrors).toEqual(Array.from({ length: 6 }, () => 0.25));
    const { propensities, standardErrors } = errors('neuralLinear', null);
    expect(standardErrors).toEqual(propensities.map((p) => Math.fround(Math.sqrt((p * (1 - p)) / 100))));
    expect(errors('thompson', 0.25).standardErrors).toEqual(standardErrors);
  });

  test('an altered seed, state, score, group or choice is found', () => {
    const { input, receipt } = receiptOf({});
    const faults = (changed: object, view = input.view) => verifyReceipt({ receipt: { ...receipt, ...changed }, catalog, view });
    expect(faults({})).toEqual([]);
    expect(faults({}, createView({ attributes: { plan: 'unlimited' } })).join()).toMatch(/stages/);
    expect(faults({ propensities: receipt.propensities.map((p, i) => (i === 3 ? p * 1.01 : p)) }).join()).toMatch(/priorities/);
    expect(faults({ gammas: receipt.gammas.map((g) => g + 1) }).join()).toMatch(/probabilities/);
    expect(faults({ group: 'random' }).join()).toMatch(/group/);
    expect(faults({ chosen: [] }).join()).toMatch(/chosen/);
    expect(faults({ catalogVersion: 'other' }).join()).toMatch(/decided by catalog other/);
    // Another seed may draw the same action, most often one of high probability; among many it cannot.
    const fresh = receiptOf({ scorer: null, limit: 3 });
    let drawn = 0;
    for (let seed = 100; seed < 150; seed++) {
      const found = verifyReceipt({ receipt: { ...fresh.receipt, seed }, catalog, view: input.view });
      expect(found[0]).toMatch(/^digest/);
      if (found.length > 1) drawn++;
    }
    expect(drawn).toBeGreaterThan(45);
  });

  test('whatever is altered is found, also where the choice stays the same', () => {
    const { input, receipt } = receiptOf({ limit: 2 });
    const altered: Record<string, unknown> = {
      seed: receipt.seed + 1,
      state: Buffer.from('another state'),
      features: receipt.features.map((value) => value + 1),
      propensities: receipt.propensities.map((p, i) => (i === 0 ? Math.fround(p * 1.0001) : p)),
      decidedAt: receipt.decidedAt + 1,
      latencyUs: receipt.latencyUs + 1,
      modelSnapshot: receipt.modelSnapshot + 1,
      subjectId: 'another',
      digest: Buffer.alloc(4),
    };
    for (const [field, value] of Object.entries(altered))
      expect(verifyReceipt({ receipt: { ...receipt, [field]: value }, catalog, view: input.view }).join(), field).toMatch(/^digest/);
  });

  test('say for each candidate why it was shown or not', () => {
    const { input, receipt } = receiptOf({ view: createView({ attributes: { openComplaint: true, plan: 'unlimited' } }) });
    const { candidates, summary } = explain({ receipt, catalog, view: input.view });
    const of = (id: string) => candidates.find((candidate) => candidate.actionId === id)!;
    expect(candidates.length).toBe(catalog.actions.length);
    expect(of('fiber-500')).toMatchObject({
      stage: 'contactPolicy',
      rule: 'open-complaint',
      reason: 'A complaint is open, no offers until it is settled.',
    });
    expect(of('upgrade-standard')).toMatchObject({ stage: 'eligibility', reason: 'The customer has a larger plan already.' });
    expect(of('legal-terms').stage).toBe('dates');
    expect(of('bill-explanation').reason).toMatch(/priority/);
    for (const candidate of candidates) expect(candidate.reason).toMatch(/\.$/);
    expect(summary).toMatch(/57 candidates.*drawn by inverseGap; shown/);
  });

  test('explain own candidates as well', () => {
    const { input, receipt } = receiptOf({ ownCandidates: own });
    expect(explain({ receipt, catalog, view: input.view }).candidates.map((c) => c.actionId)).toEqual(['a', 'b', 'c']);
  });
});

describe('content', () => {
  const fill = (actionId: string, treatmentId: string, name?: string) =>
    contentOf(catalog, { actionId, treatmentId }, { view: createView(name === undefined ? {} : { attributes: { name } }), context: {} })!
      .content;

  test('is filled in, or falls back where nothing is known', () => {
    expect(fill('upgrade-standard', 'email', 'Ada')['body']).toContain('Dear Ada,');
    expect(fill('upgrade-standard', 'email')['body']).toContain('Dear customer,');
  });

  test('is escaped for the channel', () => {
    expect(fill('upgrade-standard', 'email', '<b onclick="x">')['body']).toContain('&lt;b onclick=&quot;x&quot;&gt;');
    expect(fill('upgrade-standard', 'sms', "O'Neil\r\nBcc: x")['body']).toContain("O'Neil Bcc: x:");
  });

  test('of an action that the catalog does not have is nothing', () => {
    expect(contentOf(catalog, { actionId: 'gone', treatmentId: 'app' }, { view: createView(), context: {} })).toBeNull();
  });
});
