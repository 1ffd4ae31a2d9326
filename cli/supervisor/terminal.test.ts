import { describe, expect, test } from 'vitest';
import { createBackoff } from './backoff.ts';
import { readableLine } from './log-line.ts';
import { createTerminal } from './terminal.ts';

const collect = (isTTY: boolean) => {
  const written: string[] = [];
  return { written, output: { isTTY, columns: 80, write: (text: string) => written.push(text) } };
};

describe('the terminal', () => {
  test('a line says whose it is, and pino’s JSON is read out', () => {
    const { written, output } = collect(false);
    createTerminal({ output, now: () => 0 }).line(
      'api',
      '{"level":40,"time":1,"pid":2,"msg":"slow","ms":51,"err":{"message":"late","code":"E1"}}',
    );
    expect(written).toEqual(['00:00:00 api       WARN slow ms=51 err=E1: late\n']);
  });

  test('a line that repeats is counted', () => {
    const { written, output } = collect(false);
    const terminal = createTerminal({ output, now: () => 0 });
    for (const text of ['slow', 'slow', 'slow', 'well']) terminal.line('api', text);
    expect(written).toEqual(['00:00:00 api       slow\n', '00:00:00 api       (2 times more: slow)\n', '00:00:00 api       well\n']);
  });

  test('text that is no log record stays as it is', () => {
    expect(readableLine('{broken')).toBe('{broken');
    expect(readableLine('{"a":1}')).toBe('{"a":1}');
  });

  test('on a TTY the live line stays below every log line, and never wraps', () => {
    const { written, output } = collect(true);
    const terminal = createTerminal({ output, now: () => 0 });
    terminal.live('x'.repeat(200));
    terminal.line('api', 'hello');
    expect(written[0]).toHaveLength(5 + 79);
    expect(written[1]!.startsWith('\r\u001B[2K')).toBe(true);
    expect(written[1]!.endsWith(`\n${'x'.repeat(79)}`)).toBe(true);
  });

  test('elsewhere the live line is a plain line, at most every five seconds', () => {
    const { written, output } = collect(false);
    let nowMs = 0;
    const terminal = createTerminal({ output, now: () => nowMs });
    for (; nowMs < 10_000; nowMs += 1_000) terminal.live(`at ${nowMs}`);
    expect(written).toEqual(['00:00:00 demo      at 0\n', '00:00:05 demo      at 5000\n']);
  });
});

describe('backoff', () => {
  test('it doubles to ten seconds, and a healthy life begins anew', () => {
    const backoff = createBackoff();
    expect([1, 2, 3, 4, 5, 6, 7, 8].map(() => backoff.next(0))).toEqual([200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
    expect(backoff.next(60_000)).toBe(200);
  });
});
