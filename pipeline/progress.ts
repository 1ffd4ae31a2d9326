/** How far long work is, in words: count, share, rate and the time that is left. */
export interface Progress {
  readonly phase: string;
  readonly done: number;
  /** Null: not known. */
  readonly total: number | null;
}

export type OnProgress = (progress: Progress) => void;

/** One line at most every `everyMs`, and one at the end of each phase. */
export const createProgressLines = (options: {
  readonly print: (line: string) => void;
  readonly everyMs?: number;
  readonly monotonicMs?: () => number;
}): OnProgress => {
  const { print, everyMs = 2_000, monotonicMs = () => performance.now() } = options;
  let phase = '';
  let beganMs = 0;
  let toldMs = 0;
  return (progress) => {
    const nowMs = monotonicMs();
    if (progress.phase !== phase) {
      phase = progress.phase;
      beganMs = nowMs;
      toldMs = nowMs;
    }
    const ended = progress.total !== null && progress.done >= progress.total;
    if (nowMs - toldMs < everyMs && !ended) return;
    toldMs = nowMs;
    print(describeProgress(progress, (nowMs - beganMs) / 1_000));
  };
};

/** `replaying the log: 120,000 of 480,000 (25 %), 40,000/s, 9 s left` */
export const describeProgress = ({ phase, done, total }: Progress, seconds: number): string => {
  const rate = seconds > 0 ? done / seconds : 0;
  const parts = [
    `${phase}: ${count(done)}${total === null ? '' : ` of ${count(total)} (${Math.floor((100 * done) / Math.max(1, total))} %)`}`,
  ];
  if (rate >= 1) parts.push(`${count(Math.round(rate))}/s`);
  if (total !== null && done < total && rate > 0) parts.push(`${count(Math.ceil((total - done) / rate))} s left`);
  return parts.join(', ');
};

const count = (value: number): string => value.toLocaleString('en');
