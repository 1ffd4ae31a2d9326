import type { ModelRecord } from '#contracts';
import { expect, test } from 'vitest';
import { foldModels } from './fold-models.ts';

const record = (version: string, snapshot: number, role: ModelRecord['role'], more: Partial<ModelRecord> = {}): ModelRecord => ({
  loop: '',
  version,
  snapshot,
  role,
  blob: `${version}/${snapshot}`,
  experiences: snapshot * 10,
  watermark: snapshot * 100,
  at: snapshot * 1000,
  note: '',
  checkpoint: null,
  checkpointAt: 0,
  posterior: null,
  posteriorUntil: 0,
  kept: false,
  ...more,
});
const roles = (records: readonly ModelRecord[]): Record<string, string> =>
  Object.fromEntries(foldModels(records).map(({ loop, version, role }) => [`${loop}:${version}`, role]));

test('a version keeps its own blob and its newest snapshot', () => {
  const [view] = foldModels([
    record('v1', 0, 'champion'),
    record('v1', 1, 'champion'),
    record('v1', 3, 'champion'),
    record('v1', 2, 'champion'),
  ]);
  expect(view).toMatchObject({
    versionBlob: 'v1/0',
    snapshot: 3,
    snapshotBlob: 'v1/3',
    experiences: 30,
    watermark: 300,
    publishedAt: 3000,
  });
});

test('a new champion makes the former one the previous, and the previous one retires', () => {
  expect(roles([record('v1', 0, 'champion'), record('v2', 0, 'champion'), record('v3', 0, 'champion')])).toEqual({
    ':v1': 'retired',
    ':v2': 'previous',
    ':v3': 'champion',
  });
});

test('a rollback brings the previous champion back', () => {
  expect(roles([record('v1', 0, 'champion'), record('v2', 0, 'champion'), record('v1', 0, 'champion')])).toEqual({
    ':v1': 'champion',
    ':v2': 'previous',
  });
});

test('loops do not dethrone each other', () => {
  expect(roles([record('v1', 0, 'champion'), record('v1', 0, 'champion', { loop: 'prices' })])).toEqual({
    ':v1': 'champion',
    'prices:v1': 'champion',
  });
});

test('a note stays until another is given', () => {
  const [view] = foldModels([record('v1', 0, 'champion', { note: 'by hand' }), record('v1', 1, 'champion')]);
  expect(view!.note).toBe('by hand');
});
