/** The supervisor's face: every line says whose it is; on a TTY one live line stays at the bottom. */
import { readableLine } from './log-line.ts';

export interface Terminal {
  line(role: string, text: string): void;
  /** Replaces the live line; without a TTY it is printed as a line of its own, at most every 5 s. */
  live(text: string): void;
  /** Ends the live line so that what follows starts on a fresh one. */
  close(): void;
}

export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const COLOURS: Readonly<Record<string, number>> = { api: 36, pipeline: 35, warehouse: 33, demo: 32, attune: 1 };
const PLAIN_LIVE_MS = 5_000;
/** The same line of the same role within this time is counted, not shown. */
const REPEAT_MS = 5_000;

export const createTerminal = ({ output, now }: { readonly output: Output; readonly now: () => number }): Terminal => {
  const tty = output.isTTY === true;
  let live = '';
  let livePrintedAtMs = -Infinity;
  const latest = new Map<string, { readonly text: string; readonly atMs: number; repeats: number }>();
  const stamp = (): string => new Date(now()).toISOString().slice(11, 19);
  const prefix = (role: string): string => {
    const name = role.padEnd(9);
    return tty ? `\u001B[2m${stamp()}\u001B[0m \u001B[${COLOURS[role] ?? 0}m${name}\u001B[0m ` : `${stamp()} ${name} `;
  };
  const fit = (text: string): string => (output.columns === undefined ? text : text.slice(0, Math.max(0, output.columns - 1)));

  const show = (role: string, text: string): void => {
    const shown = `${prefix(role)}${text}\n`;
    output.write(tty && live !== '' ? `\r\u001B[2K${shown}${fit(live)}` : shown);
  };

  return {
    line(role, raw) {
      const text = readableLine(raw);
      const before = latest.get(role);
      if (before?.text === text && now() - before.atMs < REPEAT_MS) {
        before.repeats++;
        return;
      }
      if (before !== undefined && before.repeats > 0) show(role, `(${before.repeats} times more: ${before.text.slice(0, 60)})`);
      latest.set(role, { text, atMs: now(), repeats: 0 });
      show(role, text);
    },
    live(text) {
      if (tty) {
        live = text;
        output.write(`\r\u001B[2K${fit(text)}`);
      } else if (now() - livePrintedAtMs >= PLAIN_LIVE_MS) {
        livePrintedAtMs = now();
        output.write(`${prefix('demo')}${text}\n`);
      }
    },
    close() {
      if (live !== '') output.write('\n');
      live = '';
    },
  };
};
