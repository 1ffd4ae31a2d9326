/** The models that serve, and those that stand ready to: followed on the log, loaded from blobs, swapped whole. */
import { TOPICS, modelCodec, type Control, type CustomerKey, type ModelRecord, type Scorer, type StagedModel } from '#contracts';
import type { EventLog } from '#event-log';
import type { Blobs } from '#feature-store';
import type { ModelVersion } from '#models';
import { createModelRoles } from '#models/registry';
import { stagedFor, stagedScorers, type StagedScorer } from './staged-share.ts';

export interface ServingModel {
  readonly scorer: Scorer;
  /** ms since 1970 UTC: when the snapshot was published. */
  readonly at: number;
}

export interface ModelsHolder {
  /** Who scores for the customer: the champion, or the challenger in whose share the customer is. Null: no model is there. */
  scorer(loop: string, customerKey: CustomerKey): Scorer | null;
  /** Whoever serves those in no challenger's share. */
  champion(loop: string): Scorer | null;
  /** Those that are ready to score. */
  challengers(loop: string): readonly ServingModel[];
  /** A loop's champion each. */
  serving(): readonly ServingModel[];
  /** Challengers that serve a share of the customers now. */
  staged(): readonly StagedModel[];
  /** The newest record of each version and loop with the role that it plays now, newest first. */
  records(): readonly ModelRecord[];
  /** When an appointment that is made now takes effect. */
  nextRoleAt(loop: string, nowMs: number): number;
  /** A kept snapshot, for re-scoring; null when it is gone. */
  openKept(loop: string, version: string, snapshot: number): Promise<Scorer | null>;
  /** In force here at once. */
  apply(record: ModelRecord): void;
  /** Follows the operators' pin and shares. */
  control(control: Control): void;
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
  /** Ready to score; what was before stays until the next is. */
  loaded: ServingModel | null;
  loading: Promise<void> | null;
  /** Loads that failed one after another. */
  failures: number;
  retry: NodeJS.Timeout | undefined;
}

interface Loop {
  readonly name: string;
  readonly versions: Map<string, Version>;
  serving: ServingModel | null;
  /** Challengers that are ready, each with its share of the customers. */
  staged: readonly StagedScorer[];
  challengers: readonly ServingModel[];
}

const RETRY_MS = 500;
const RETRY_AT_MOST_MS = 60_000;
/** Of one loop, the newest: the rest are neither shadowed nor served. */
const MAX_CHALLENGERS = 3;

export const followModels = (deps: {
  log: EventLog;
  blobs: Blobs;
  openVersion: OpenVersion;
  onFault: (error: unknown) => void;
}): ModelsHolder => {
  const { log, blobs, openVersion, onFault } = deps;
  const loops = new Map<string, Loop>();
  const roles = createModelRoles();
  let pinned: string | null = null;
  let shares: readonly StagedModel[] = [];
  let ready = false;
  let stopped = false;

  const wanted = (loop: Loop): Version | null => {
    const name = pinned !== null && loop.versions.has(pinned) ? pinned : roles.champion(loop.name);
    return name === null ? null : (loop.versions.get(name) ?? null);
  };
  const challengersOf = (loop: Loop): Version[] =>
    [...loop.versions.values()]
      .filter(({ newest }) => roles.role(loop.name, newest.version) === 'challenger')
      .toSorted((a, b) => roles.roleAt(loop.name, b.newest.version) - roles.roleAt(loop.name, a.newest.version))
      .slice(0, MAX_CHALLENGERS);
  /** Who may have to serve at any moment is held ready: a promotion or a rollback only exchanges a reference. */
  const atHand = (loop: Loop): Version[] => {
    const previous = roles.previous(loop.name);
    const held = [wanted(loop), previous === null ? null : (loop.versions.get(previous) ?? null), ...challengersOf(loop)];
    return [...new Set(held.filter((version) => version !== null))];
  };

  /** Takes what is loaded and what is known of roles and shares into force. */
  const settle = (loop: Loop): void => {
    loop.serving = wanted(loop)?.loaded ?? loop.serving;
    const challengers = challengersOf(loop);
    loop.challengers = challengers.flatMap(({ loaded }) => (loaded === null ? [] : [loaded]));
    loop.staged =
      pinned !== null && loop.versions.has(pinned)
        ? []
        : stagedScorers(
            loop.challengers.map(({ scorer }) => scorer),
            shares,
          );
    for (const version of loop.versions.values()) if (version.loaded !== null && !atHand(loop).includes(version)) version.loaded = null;
  };

  const load = (loop: Loop): void => {
    settle(loop);
    for (const version of atHand(loop)) loadVersion(loop, version);
  };

  /** One load at a time a version; whatever was published meanwhile is overtaken by the newest. */
  const loadVersion = (loop: Loop, version: Version): void => {
    if (!ready || stopped || version.loading !== null) return;
    clearTimeout(version.retry);
    const record = version.newest;
    // A version whose first snapshot is still to come has nothing to score with.
    if (record.snapshot === 0 || version.loaded?.scorer.snapshot === record.snapshot) return;
    version.loading = open(version, record)
      .then((scorer) => {
        if (scorer !== null) version.loaded = { scorer, at: record.at };
        else onFault(new Error(`the artifact of model ${record.version} snapshot ${record.snapshot} is not in the feature store`));
        return scorer !== null;
      })
      .catch((error: unknown) => {
        onFault(error);
        return false;
      })
      .then((loaded) => {
        version.loading = null;
        version.failures = loaded ? 0 : version.failures + 1;
        if (loaded || version.newest !== record) load(loop);
        else if (!stopped) loadAgain(loop, version);
      });
  };

  /** The next snapshot may be long in coming: what failed is tried again until then. */
  const loadAgain = (loop: Loop, version: Version): void => {
    const waitMs = Math.min(RETRY_AT_MOST_MS, RETRY_MS * 2 ** (version.failures - 1));
    version.retry = setTimeout(() => load(loop), waitMs).unref();
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
    const loop = loops.get(record.loop) ?? { name: record.loop, versions: new Map(), serving: null, staged: [], challengers: [] };
    loops.set(record.loop, loop);
    const version = loop.versions.get(record.version) ?? versionOf(record);
    loop.versions.set(record.version, version);
    if (record.snapshot === 0) version.root = record;
    if (record.kept) version.kept.set(record.snapshot, record);
    // A learner that was paused while another took over speaks late, and so may an operator: only the role may be news.
    if (record.snapshot > 0 && record.snapshot >= version.newest.snapshot) version.newest = record;
    else if (record.note !== '') version.newest = { ...version.newest, note: record.note };
    roles.follow(record);
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
    scorer(name, customerKey) {
      const loop = loops.get(name);
      if (loop === undefined) return null;
      return (loop.staged.length === 0 ? null : stagedFor(loop.staged, customerKey)) ?? loop.serving?.scorer ?? null;
    },
    champion: (loop) => loops.get(loop)?.serving?.scorer ?? null,
    challengers: (loop) => loops.get(loop)?.challengers ?? NONE,
    serving: () => [...loops.values()].flatMap((loop) => (loop.serving === null ? [] : [loop.serving])),
    staged: () =>
      [...loops.values()].flatMap(({ staged }) => staged.map(({ scorer, from, to }) => ({ version: scorer.version, share: to - from }))),
    records: () =>
      [...loops.values()]
        .flatMap((loop) =>
          [...loop.versions.values()].map(({ newest }) => ({ ...newest, role: roles.role(loop.name, newest.version) ?? newest.role })),
        )
        .toSorted((a, b) => b.at - a.at),
    nextRoleAt: (loop, nowMs) => roles.nextRoleAt(loop, nowMs),
    async openKept(name, versionName, snapshot) {
      const version = loops.get(name)?.versions.get(versionName);
      const loaded = version?.loaded?.scorer;
      if (loaded?.snapshot === snapshot) return loaded;
      const record = version?.kept.get(snapshot) ?? (version?.newest.snapshot === snapshot ? version.newest : undefined);
      return version === undefined || record === undefined ? null : open(version, record);
    },
    apply,
    control(control) {
      pinned = control.pinnedModel;
      shares = control.staged;
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
        const loading = [...loops.values()].flatMap(({ versions }) => [...versions.values()].flatMap((one) => one.loading ?? []));
        if (loading.length === 0) return;
        await Promise.all(loading);
      }
    },
    async stop() {
      stopped = true;
      for (const { versions } of loops.values()) for (const { retry } of versions.values()) clearTimeout(retry);
      await follower.stop();
    },
  };
};

const NONE: readonly ServingModel[] = [];

const versionOf = (record: ModelRecord): Version => ({
  root: null,
  newest: record,
  kept: new Map(),
  opened: null,
  loaded: null,
  loading: null,
  failures: 0,
  retry: undefined,
});
