/** The learning curve as SVG: each seed thin, their mean thick, the target and the context-free best as lines. */
import type { RunResult } from './run-world.ts';

const WIDTH = 760;
const HEIGHT = 380;
const MARGIN = { left: 64, right: 150, top: 30, bottom: 52 };
const TARGET = 0.8;

export const drawCurve = (results: readonly RunResult[]): string => {
  const last = Math.max(...results.flatMap(({ blocks }) => blocks.map(({ until }) => until)));
  const x = (n: number): number => MARGIN.left + (n / last) * (WIDTH - MARGIN.left - MARGIN.right);
  const y = (share: number): number => HEIGHT - MARGIN.bottom - Math.max(-0.05, Math.min(1, share)) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  const count = results[0]!.blocks.length;
  const meanOf = (i: number): number => results.reduce((sum, { blocks }) => sum + blocks[i]!.gapClosed, 0) / results.length;
  const contextFree = results.reduce((sum, result) => sum + result.contextFreeGapClosed, 0) / results.length;

  const path = (points: readonly (readonly [number, number])[]): string =>
    `M${points.map(([px, py]) => `${px.toFixed(1)},${py.toFixed(1)}`).join('L')}`;
  const curve = (shares: readonly number[]): string =>
    path([[x(0), y(0)], ...shares.map((share, i) => [x(results[0]!.blocks[i]!.until), y(share)] as const)]);
  const level = (share: number, label: string, colour: string): string =>
    `<path d="M${x(0)},${y(share)}H${x(last)}" stroke="${colour}" stroke-dasharray="6 4"/><text x="${x(last) + 8}" y="${y(share) + 4}" fill="${colour}">${label}</text>`;
  const ticksX = [0, 0.2, 0.4, 0.6, 0.8, 1].map(
    (t) =>
      `<path d="M${x(t * last)},${y(0)}v5" stroke="#888"/><text x="${x(t * last)}" y="${y(0) + 20}" text-anchor="middle">${(t * last).toLocaleString('en')}</text>`,
  );
  const ticksY = [0, 0.2, 0.4, 0.6, 0.8, 1].map(
    (t) =>
      `<path d="M${x(0)},${y(t)}H${x(last)}" stroke="#eee"/><text x="${x(0) - 8}" y="${y(t) + 4}" text-anchor="end">${t.toFixed(1)}</text>`,
  );
  const mean = Array.from({ length: count }, (_, i) => meanOf(i));

  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="12" fill="#444">
<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>
${ticksY.join('\n')}
${ticksX.join('\n')}
${level(1, 'oracle', '#888')}
${level(TARGET, 'target', '#c0392b')}
${level(contextFree, 'best without context', '#8e6c00')}
${results.map(({ blocks }) => `<path d="${curve(blocks.map(({ gapClosed }) => gapClosed))}" fill="none" stroke="#9ecae1"/>`).join('\n')}
<path d="${curve(mean)}" fill="none" stroke="#08519c" stroke-width="2.5"/>
<text x="${x(last) + 8}" y="${y(mean.at(-1)!) + 4}" fill="#08519c">mean of ${results.length} seeds</text>
<text x="${(x(0) + x(last)) / 2}" y="${HEIGHT - 12}" text-anchor="middle">decisions</text>
<text x="16" y="${(y(0) + y(1)) / 2}" text-anchor="middle" transform="rotate(-90 16 ${(y(0) + y(1)) / 2})">share of the gap from uniform to oracle closed</text>
</svg>
`;
};
