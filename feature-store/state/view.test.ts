import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { DAY_MS, decisionCodec, type CustomerKey, type Decision } from '#contracts';
import { loadProject } from '#project';
import { compileDefinitions, compileFeatures, loadFeatureSet, publishFeatureSet } from '../definitions/feature-set.ts';
import { openLmdbFeatureStore } from '../lmdb/open-lmdb-feature-store.ts';
import { decodeState, encodeState, fingerprintOf } from './codec.ts';
import { describeState } from './describe-state.ts';
import { evaluateFeatures } from './evaluate-features.ts';
import { emptyState } from './customer-state.ts';
import { foldEvent } from './fold-event.ts';
import { sampleState } from './sample-customers.ts';
import { viewOfReceipt, viewOfState } from './view.ts';
import { withoutPersonal } from './without-personal.ts';

const NOW = 1_800_000_000_000;
const telco = compileFeatures(loadProject(new URL('../../catalog/telco', import.meta.url).pathname));
const customerKey = '00112233445566778899aabbccddeeff' as CustomerKey;
const older = compileDefinitions({
  ...telco.definitions,
  features: telco.definitions.features.slice(5).toReversed(),
  attributes: telco.definitions.attributes.slice(1),
});

const receiptOf = (state: Buffer, features: Float32Array): Decision =>
  decisionCodec.decode(
    decisionCodec.encode({
      decisionId: Buffer.alloc(16),
      subjectKind: 'customer',
      subjectId: null,
      customerKey: Buffer.from(customerKey, 'hex'),
      anonymous: false,
      requestId: null,
      decidedAt: NOW,
      channel: 'app',
      direction: 'inbound',
      placement: null,
      limit: 1,
      loop: '',
      context: '{}',
      ownCandidates: null,
      allowNone: true,
      seed: 1,
      group: 'model',
      catalogVersion: 'x',
      controlsVersion: 0,
      modelVersion: 'm',
      modelSnapshot: 0,
      degraded: [],
      customerKnown: true,
      state,
      featureSet: telco.fingerprint,
      features: [...features],
      stages: Buffer.alloc(0),
      scored: [],
      propensities: [],
      priorities: [],
      gammas: [],
      probabilities: [],
      chosen: [],
      noneProbability: null,
      latencyUs: 1,
    }),
  );

describe('the view of a customer', () => {
  test('features read from the stored bytes are those of the registers, bit by bit, at any later moment', () => {
    for (let seed = 0; seed < 100; seed++) {
      const state = sampleState(telco, seed, NOW, 20 + seed * 3);
      const bytes = encodeState(state, NOW);
      for (const nowMs of [NOW - DAY_MS, NOW, NOW + 3.3 * DAY_MS, NOW + 29 * DAY_MS, NOW + 700 * DAY_MS]) {
        const { features } = viewOfState(bytes, { customerKey, featureSet: telco, nowMs });
        expect(features).toEqual(evaluateFeatures(decodeState(bytes, telco).registers, telco, nowMs));
      }
    }
  });

  test('attributes, contacts, pairs and pending actions are those of the state', () => {
    for (let seed = 0; seed < 50; seed++) {
      const state = sampleState(telco, seed, NOW);
      const view = viewOfState(encodeState(state, NOW), { customerKey, featureSet: telco, nowMs: NOW });
      const described = describeState(state, NOW);
      expect(view.attributes).toEqual(Object.fromEntries(Object.entries(described.attributes).map(([name, { value }]) => [name, value])));
      expect(view.contacts).toEqual(state.contacts);
      for (const id of telco.definitions.actionIds) expect(view.pair(id)).toEqual(state.pair(id));
      expect(view.pendingActionIds).toEqual([...new Set(state.pending.flatMap(({ items }) => items.map(({ actionId }) => actionId)))]);
      expect(view).toMatchObject({ known: true, customerKey, featureSet: telco.fingerprint, featureNames: telco.names });
    }
  });

  test('a receipt gives the same view again, features as logged', () => {
    const bytes = encodeState(sampleState(telco, 4, NOW), NOW);
    const served = viewOfState(bytes, { customerKey, featureSet: telco, nowMs: NOW });
    const again = viewOfReceipt(receiptOf(bytes, served.features), telco);
    for (const part of [
      'known',
      'customerKey',
      'attributes',
      'features',
      'featureNames',
      'featureSet',
      'contacts',
      'pendingActionIds',
    ] as const) {
      expect(again[part], part).toEqual(served[part]);
    }
    const changed = served.features.map((value) => value + 1);
    expect(viewOfReceipt(receiptOf(bytes, changed), telco).features).toEqual(changed);
    expect(viewOfReceipt({ ...receiptOf(bytes, served.features), customerKnown: false, state: Buffer.alloc(0) }, telco).known).toBe(false);
  });

  test('definitions that wrote a state and are not loaded are named in the error, and found in the blobs', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'attune-view-'));
    const store = await openLmdbFeatureStore({ dir, partitions: 1 });
    try {
      const bytes = encodeState(sampleState(older, 5, NOW), NOW);
      const view = () => viewOfState(bytes, { customerKey, featureSet: telco, nowMs: NOW });
      expect(view).toThrow(
        expect.objectContaining({ code: 'feature-set.unknown', message: expect.stringContaining(older.fingerprint) as string }),
      );
      expect(await loadFeatureSet(store.blobs, telco, fingerprintOf(bytes))).toBeNull();
      await publishFeatureSet(store.blobs, older);
      expect((await loadFeatureSet(store.blobs, telco, fingerprintOf(bytes)))!.fingerprint).toBe(older.fingerprint);
      const { features } = view();
      const before = viewOfState(bytes, { customerKey, featureSet: older, nowMs: NOW });
      for (const [i, name] of older.names.entries()) expect(features[telco.names.indexOf(name)], name).toBe(before.features[i]);
      expect(features[0]).toBe(telco.defaults[0]);
      const receipt = receiptOf(bytes, features);
      expect(viewOfReceipt(receipt, telco).contacts).toEqual(view().contacts);
      expect(viewOfReceipt(receipt, telco).attributes).toEqual(view().attributes);
    } finally {
      await store.close();
      rmSync(dir, { recursive: true });
    }
  });
});

test('a receipt without what is personal holds no byte of it, and teaches the same', () => {
  const state = emptyState(telco);
  const data = { plan: 'basic', tenureMonths: 7, name: 'Zebulon Quackenbush', email: 'z@personal.example' };
  const event = {
    id: 'e',
    source: 's',
    type: 'customer.updated',
    subjectKind: 'customer',
    subjectId: 'c-secret',
    customerKey: Buffer.from(customerKey, 'hex'),
    time: NOW,
    receivedAt: NOW,
    data: JSON.stringify(data),
  };
  foldEvent(state, event, data, telco);
  const receipt = { ...receiptOf(encodeState(state, NOW), evaluateFeatures(state.registers, telco, NOW)), subjectId: 'c-secret' };
  const bytes = decisionCodec.encode(withoutPersonal(receipt, telco));
  for (const secret of ['Zebulon', 'personal.example', 'c-secret']) {
    expect(decisionCodec.encode(receipt).includes(secret)).toBe(true);
    expect(bytes.includes(secret)).toBe(false);
  }
  const kept = viewOfReceipt(decisionCodec.decode(bytes), telco);
  const { name: _name, email: _email, ...rest } = viewOfReceipt(receipt, telco).attributes;
  expect(kept.attributes).toEqual(rest);
  expect(kept.features).toEqual(viewOfReceipt(receipt, telco).features);
});
