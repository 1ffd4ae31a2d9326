/** The models that serve, a loop each: followed on the log, loaded from blobs, swapped whole. */
import { TOPICS, modelCodec, type Control, type ModelRecord, type Scorer } from '#contracts';
import type { EventLog } from '#event-log';
import type { Blobs } from '#feature-store';
import type { ModelVersion } from '#models';

export interface ServingModel {
  readonly scorer: Scorer;
  /** ms since 1970 UTC: when the snapshot was published. */
  readonly at: number;
}

export interface ModelsHolder {
  /** Null: none has been published for the loop, or none could be loaded. */
  scorer(loop: string): Scorer | null;
  serving(): readonly ServingModel[];
  /** The newest record of each version and loop, newest first. */
  records(): readonly ModelRecord[];
  /** A kept snapshot, for re-scoring; null when it is gone. */
  openKept(loop: string, version: string, snapshot: number): Promise<Scorer | null>;
  /** In force here at once. */
  apply(record: ModelRecord): void;
  /** Follows the operators' pin. */
  pin(control: Control): void;
  readonly caughtUp: Promise<void>;
  /** Serves by what is known now, although the log has not told everything. */
  begin(): void;
  /** The feature store is there again: what could not be loaded is tried at once. */
  retry(): void;
  /** Resolves once what is known now is loaded. */
  settled(): Promise<void>;
  stop(): Promise<void>;
}

export type OpenVersion = (versionBlob: Uint8Array) => Promise<ModelVersion>;

interface Version {
  /** Snapshot 0: the version itself. */
  root: ModelRecord | null;
  newest: ModelRecord;
  readonly kept: Map<number, ModelRecord>;
  opened: ModelVersion | null;
}

interface Loop {
  readonly versions: Map<string, Version>;
  champion: string | null;
  serving: ServingModel | null;
  loading: Promise<void> | null;
  /** Loads that failed one after another. */
  failures: number;
  retry: NodeJS.Timeout | undefined;
}

const RETRY_MS = 500;
const RETRY_AT_MOST_MS = 60_000;

export const followModels = (deps: {
  log: EventLog;
  blobs: Blobs;
  openVersion: OpenVersion;
  onFault: (error: unknown) => void;
}): ModelsHolder => {
  const { log, blobs, openVersion, onFault } = deps;
  const loops = new Map<string, Loop>();
  let pinned: string | null = null;
  let ready = false;
  let stopped = false;

  const wanted = (loop: Loop): Version | null => {
    const name = pinned !== null && loop.versions.has(pinned) ? pinned : loop.champion;
    return name === null ? null : (loop.versions.get(name) ?? null);
  };

  const isServed = (loop: Loop, version: Version): boolean =>
    loop.serving !== null &&
    loop.serving.scorer.version === version.newest.version &&
    loop.serving.scorer.snapshot === version.newest.snapshot;

  /** One load at a time a loop; whatever was published meanwhile is overtaken by the newest. */
  const load = (loop: Loop): void => {
    if (!ready || stopped || loop.loading !== null) return;
    clearTimeout(loop.retry);
    const version = wanted(loop);
    // A version whose first snapshot is still to come has nothing to score with.
    if (version === null || version.newest.snapshot === 0 || isServed(loop, version)) return;
    const record = version.newest;
    loop.loading = open(version, record)
      .then((scorer) => {
        if (scorer !== null) loop.serving = { scorer, at: record.at };
        else onFault(new Error(`the artifact of model ${record.version} snapshot ${record.snapshot} is not in the feature store`));
        return scorer !== null;
      })
      .catch((error: unknown) => {
        onFault(error);
        return false;
      })
      .then((loaded) => {
        loop.loading = null;
        loop.failures = loaded ? 0 : loop.failures + 1;
        const next = wanted(loop);
        if (next !== null && (loaded || next.newest !== record)) load(loop);
        else if (!stopped) loadAgain(loop);
      });
  };

  /** The next snapshot may be long in coming: what failed is tried again until then. */
  const loadAgain = (loop: Loop): void => {
    const waitMs = Math.min(RETRY_AT_MOST_MS, RETRY_MS * 2 ** (loop.failures - 1));
    loop.retry = setTimeout(() => load(loop), waitMs).unref();
  };

  /** Null when an artifact is gone. The version is proved once, then every snapshot opens at once. */
  const open = async (version: Version, record: ModelRecord): Promise<Scorer | null> => {
    if (version.opened === null) {
      const bytes = version.root === null ? null : await blobs.get(version.root.blob);
      if (bytes === null) return null;
      version.opened = await openVersion(bytes);
    }
    const snapshot = await blobs.get(record.blob);
    return snapshot === null ? null : version.opened.open(snapshot);
  };

  const apply = (record: ModelRecord): void => {
    const loop = loops.get(record.loop) ?? {
      versions: new Map(),
      champion: null,
      serving: null,
      loading: null,
      failures: 0,
      retry: undefined,
    };
    loops.set(record.loop, loop);
    const version = loop.versions.get(record.version) ?? { root: null, newest: record, kept: new Map(), opened: null };
    loop.versions.set(record.version, version);
    if (record.snapshot === 0) version.root = record;
    if (record.kept) version.kept.set(record.snapshot, record);
    if (record.snapshot > 0 && record.snapshot < version.newest.snapshot) {
      // A learner that was paused while another took over speaks late. An operator's word counts, whatever snapshot was the newest to them.
      if (record.note === '') return;
      version.newest = { ...version.newest, role: record.role, note: record.note };
    } else if (record.snapshot > 0) version.newest = record;
    if (record.role === 'champion') loop.champion = record.version;
    else if (loop.champion === record.version && record.snapshot > 0 && record.note !== '') loop.champion = null;
    load(loop);
  };

  const follower = log.follow([TOPICS.models], (entry) => {
    try {
      apply(modelCodec.decode(entry.value));
    } catch (error) {
      onFault(error);
    }
  });
  const begin = (): void => {
    ready = true;
    for (const loop of loops.values()) load(loop);
  };
  const caughtUp = follower.caughtUp.then(begin);

  return {
    scorer: (loop) => loops.get(loop)?.serving?.scorer ?? null,
    serving: () => [...loops.values()].flatMap((loop) => (loop.serving === null ? [] : [loop.serving])),
    records: () =>
      [...loops.values()].flatMap((loop) => [...loop.versions.values()].map((version) => version.newest)).toSorted((a, b) => b.at - a.at),
    async openKept(name, versionName, snapshot) {
      const loop = loops.get(name);
      const serving = loop?.serving?.scorer;
      if (serving !== undefined && serving.version === versionName && serving.snapshot === snapshot) return serving;
      const version = loop?.versions.get(versionName);
      const record = version?.kept.get(snapshot) ?? (version?.newest.snapshot === snapshot ? version.newest : undefined);
      return version === undefined || record === undefined ? null : open(version, record);
    },
    apply,
    pin(control) {
      pinned = control.pinnedModel;
      for (const loop of loops.values()) load(loop);
    },
    caughtUp,
    begin,
    retry() {
      for (const loop of loops.values()) load(loop);
    },
    async settled() {
      await caughtUp;
      for (;;) {
        const loading = [...loops.values()].flatMap((loop) => (loop.loading === null ? [] : [loop.loading]));
        if (loading.length === 0) return;
        await Promise.all(loading);
      }
    },
    async stop() {
      stopped = true;
      for (const loop of loops.values()) clearTimeout(loop.retry);
      await follower.stop();
    },
  };
};
