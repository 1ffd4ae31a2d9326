/** The registry as the records of attune.models tell it: which version plays which role in a loop, and its newest snapshot. */
import type { ModelRecord } from '#contracts';

export interface ModelView {
  readonly loop: string;
  readonly version: string;
  readonly role: ModelRecord['role'];
  /** Blob of encoder and trunk; null until announced. */
  readonly versionBlob: string | null;
  readonly snapshot: number;
  /** Blob of the newest snapshot; null until announced. */
  readonly snapshotBlob: string | null;
  readonly experiences: number;
  readonly watermark: number;
  readonly publishedAt: number;
  readonly note: string;
}

/**
 * In log order; pure. A record whose snapshot is 0 announces the version itself and speaks of its role; later ones of a champion
 * dethrone the former champion, which becomes the previous one.
 */
export const foldModels = (records: Iterable<ModelRecord>): readonly ModelView[] => {
  const views = new Map<string, ModelView>();
  for (const record of records) {
    const key = `${record.loop}\0${record.version}`;
    const known = views.get(key);
    if (record.role === 'champion' && known?.role !== 'champion') dethrone(views, record.loop);
    views.set(key, merge(known, record));
  }
  return [...views.values()];
};

const dethrone = (views: Map<string, ModelView>, loop: string): void => {
  for (const [key, view] of views) {
    if (view.loop !== loop) continue;
    if (view.role === 'previous') views.set(key, { ...view, role: 'retired' });
    if (view.role === 'champion') views.set(key, { ...view, role: 'previous' });
  }
};

const merge = (known: ModelView | undefined, record: ModelRecord): ModelView => {
  const { loop, version, role, note, experiences, watermark, at, blob } = record;
  const newer = record.snapshot > 0 && record.snapshot >= (known?.snapshot ?? 0);
  return {
    loop,
    version,
    role,
    versionBlob: record.snapshot === 0 ? blob : (known?.versionBlob ?? null),
    snapshot: newer ? record.snapshot : (known?.snapshot ?? 0),
    snapshotBlob: newer ? blob : (known?.snapshotBlob ?? null),
    experiences: Math.max(experiences, known?.experiences ?? 0),
    watermark: Math.max(watermark, known?.watermark ?? 0),
    publishedAt: newer || known === undefined ? at : known.publishedAt,
    note: note === '' ? (known?.note ?? '') : note,
  };
};
