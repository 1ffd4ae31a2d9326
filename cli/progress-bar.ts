/** How far a command is: one line that is drawn over on a TTY, else a plain line now and then. */

export interface ProgressBar {
  /** @param done share of the work, 0 to 1 */
  show(done: number, what: string): void;
  /** A line that stays. */
  say(line: string): void;
  /** Leaves the last state standing. */
  end(): void;
}

export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const WIDTH = 24;
const PLAIN_EVERY_MS = 2_000;
const DRAWN_EVERY_MS = 100;

export const createProgressBar = (output: Output, monotonicMs: () => number = () => performance.now()): ProgressBar => {
  const tty = output.isTTY === true;
  let shownMs = -Infinity;
  let pending = '';
  let drawn = false;
  const clear = tty ? '\r\x1b[K' : '';
  const draw = (text: string): void => {
    const line = tty ? text.slice(0, (output.columns ?? 80) - 1) : text;
    output.write(tty ? `${clear}${line}` : `${line}\n`);
    drawn = tty;
    pending = '';
    shownMs = monotonicMs();
  };
  return {
    show(done, what) {
      const share = Math.max(0, Math.min(1, done));
      const filled = Math.round(share * WIDTH);
      const percent = `${Math.floor(share * 100)}`.padStart(3);
      const text = tty ? `${'█'.repeat(filled)}${'░'.repeat(WIDTH - filled)} ${percent} %  ${what}` : `${percent} %  ${what}`;
      if (monotonicMs() - shownMs < (tty ? DRAWN_EVERY_MS : PLAIN_EVERY_MS)) pending = text;
      else draw(text);
    },
    say(line) {
      output.write(`${clear}${line}\n`);
      drawn = false;
    },
    end() {
      if (pending !== '') draw(pending);
      if (drawn) output.write('\n');
      drawn = false;
    },
  };
};
