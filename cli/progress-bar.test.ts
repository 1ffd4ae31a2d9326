import { expect, test } from 'vitest';
import { createProgressBar } from './progress-bar.ts';

const collect = (isTTY: boolean) => {
  const written: string[] = [];
  let nowMs = 0;
  const bar = createProgressBar({ isTTY, columns: 50, write: (text) => written.push(text) }, () => nowMs);
  return { written, bar, later: (ms: number) => (nowMs += ms) };
};

test('on a TTY one line is drawn over, never wraps, and other lines stand above it', () => {
  const { written, bar, later } = collect(true);
  bar.show(0.5, 'epoch 1: loss 0.3, validated 0.31, and more than fits');
  later(10);
  bar.show(0.6, 'too soon');
  bar.say('a line');
  bar.end();
  expect(written[0]).toBe(`\r\x1b[K${'█'.repeat(12)}${'░'.repeat(12)}  50 %  epoch 1: loss 0.3`.slice(0, 4 + 49));
  expect(written[1]).toBe('\r\x1b[Ka line\n');
  expect(written.at(-2)).toContain('60 %  too soon');
  expect(written.at(-1)).toBe('\n');
});

test('without a TTY it is a plain line every two seconds, and the last state at the end', () => {
  const { written, bar, later } = collect(false);
  bar.show(0, 'reading');
  for (let i = 1; i <= 10; i++) {
    later(500);
    bar.show(i / 10, `step ${i}`);
  }
  bar.end();
  expect(written).toEqual(['  0 %  reading\n', ' 40 %  step 4\n', ' 80 %  step 8\n', '100 %  step 10\n']);
});
