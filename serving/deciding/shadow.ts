/**
 * Challengers decide again what was just decided, once its answer has left: how long they take and how often they would put another action
 * first is known before any customer meets them. Nothing waits for it (law 6): one at a time, between other work, and what does not fit is skipped.
 */
import type { Scorer } from '#contracts';
import { decide, type DecideInput, type Verdict } from '#decisioning';

export interface ShadowReport {
  readonly loop: string;
  readonly version: string;
  /** Decided again so far, in this process. */
  readonly decisions: number;
  /** Share of those in which the champion's best action is the challenger's too. */
  readonly agreement: number;
  /** Microseconds of a whole decision, reading and recording apart, of the last 2,000; the champion's on the same requests, in turns. */
  readonly latencyUs: { readonly p50: number; readonly p99: number };
  readonly championLatencyUs: { readonly p50: number; readonly p99: number };
  /** Decisions at which it failed. */
  readonly failures: number;
}

export interface Shadow {
  /** Costs a comparison where nobody challenges. */
  offer(input: DecideInput, loop: string): void;
  /** One a challenger that has decided at least once. */
  report(): readonly ShadowReport[];
}

export interface ShadowDeps {
  readonly models: { champion(loop: string): Scorer | null; challengers(loop: string): readonly { readonly scorer: Scorer }[] };
  /** Of the decisions; those that come too close together are skipped besides. */
  readonly share: number;
  readonly monotonicMs: () => number;
  /** Runs it when what is urgent is done. Default setImmediate. */
  readonly defer?: (task: () => void) => void;
}

/** With two decisions of a fifth of a millisecond each: 4 % of a core at the very most. */
const EVERY_MS = 10;
const REMEMBERED = 2_000;
const SHARES = 1_000_003;

export const createShadow = ({ models, share, monotonicMs, defer = (task) => void setImmediate(task) }: ShadowDeps): Shadow => {
  const records = new Map<string, ShadowRecord>();
  let waiting = false;
  let nextMs = -Infinity;
  let turn = 0;

  const timed = (input: DecideInput, scorer: Scorer): { readonly verdict: Verdict; readonly us: number } => {
    const startMs = monotonicMs();
    const verdict = decide({ ...input, scorer });
    return { verdict, us: (monotonicMs() - startMs) * 1_000 };
  };

  const run = (input: DecideInput, loop: string): void => {
    const champion = models.champion(loop);
    const challengers = models.challengers(loop);
    if (champion === null || challengers.length === 0) return;
    const { scorer } = challengers[turn++ % challengers.length]!;
    const record = records.get(scorer.version) ?? recordOf(loop, scorer.version);
    records.set(scorer.version, record);
    try {
      // Whoever comes second finds the caches warm: by turns.
      const first = Math.floor(turn / challengers.length) % 2 === 0;
      const before = first ? timed(input, champion) : null;
      const own = timed(input, scorer);
      const other = before ?? timed(input, champion);
      record.decisions++;
      if (bestOf(own.verdict) === bestOf(other.verdict)) record.agreed++;
      record.own.add(own.us);
      record.champion.add(other.us);
    } catch {
      record.failures++;
    }
  };

  return {
    offer(input, loop) {
      if (waiting || share === 0 || models.challengers(loop).length === 0) return;
      if ((input.seed % SHARES) / SHARES >= share) return;
      const nowMs = monotonicMs();
      if (nowMs < nextMs) return;
      nextMs = nowMs + EVERY_MS;
      waiting = true;
      defer(() => {
        waiting = false;
        run(input, loop);
      });
    },
    report: () =>
      [...records.values()]
        .filter(({ loop, version }) => models.challengers(loop).some(({ scorer }) => scorer.version === version))
        .map(({ loop, version, decisions, agreed, own, champion, failures }) => ({
          loop,
          version,
          decisions,
          agreement: decisions === 0 ? 0 : agreed / decisions,
          latencyUs: own.percentiles(),
          championLatencyUs: champion.percentiles(),
          failures,
        })),
  };
};

interface ShadowRecord {
  readonly loop: string;
  readonly version: string;
  decisions: number;
  agreed: number;
  failures: number;
  readonly own: Recent;
  readonly champion: Recent;
}

const recordOf = (loop: string, version: string): ShadowRecord => ({
  loop,
  version,
  decisions: 0,
  agreed: 0,
  failures: 0,
  own: createRecent(),
  champion: createRecent(),
});

interface Recent {
  add(value: number): void;
  percentiles(): { readonly p50: number; readonly p99: number };
}

const createRecent = (): Recent => {
  const values = new Float64Array(REMEMBERED);
  let count = 0;
  return {
    add(value) {
      values[count++ % REMEMBERED] = value;
    },
    percentiles() {
      const sorted = values.slice(0, Math.min(count, REMEMBERED)).toSorted();
      const at = (share: number): number => Math.round(10 * (sorted[Math.floor(share * (sorted.length - 1))] ?? 0)) / 10;
      return { p50: at(0.5), p99: at(0.99) };
    },
  };
};

/** Index of the action of the highest priority, in the catalog or among the caller's candidates. */
const bestOf = ({ scored, priorities }: Verdict): number => {
  let best = 0;
  for (let i = 1; i < priorities.length; i++) if (priorities[i]! > priorities[best]!) best = i;
  return scored[best] ?? -1;
};
