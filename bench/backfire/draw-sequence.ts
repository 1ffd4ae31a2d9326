/** The confidence sequence over matured contacts as SVG: one action that doubles the rate of inbound contact beside one without effect. */
import { MARGIN } from './play-contacts.ts';
import type { ContactRun } from './play-contacts.ts';

export interface Panel {
  readonly title: string;
  readonly run: ContactRun;
  /** The true difference. */
  readonly truth: number;
}

const WIDTH = 920;
const HEIGHT = 400;
const TOP = 46;
const BOTTOM = 96;
const LEFT = 66;
const GAP = 40;
const RIGHT = 20;
const LOWEST = -0.2;
const HIGHEST = 0.3;
const TICKS = [-0.2, -0.1, 0, 0.1, 0.2, 0.3];
const STRIP = 26;

export const drawSequence = (panels: readonly Panel[]): string => {
  const width = (WIDTH - LEFT - RIGHT - GAP * (panels.length - 1)) / panels.length;
  const parts = panels.map((panel, i) => drawPanel(panel, LEFT + i * (width + GAP), width, i === 0));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="12" fill="#444" stroke-linejoin="round">
<style>.over{paint-order:stroke;stroke:#fff;stroke-width:4px}</style>
<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>
${parts.join('\n')}
<text x="16" y="${(TOP + HEIGHT - BOTTOM) / 2}" text-anchor="middle" transform="rotate(-90 16 ${(TOP + HEIGHT - BOTTOM) / 2})">rise of the rate of inbound contact</text>
</svg>
`;
};

const y = (value: number): number => {
  const share = (Math.min(HIGHEST, Math.max(LOWEST, value)) - LOWEST) / (HIGHEST - LOWEST);
  return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM);
};

const drawPanel = ({ title, run, truth }: Panel, left: number, width: number, isFirst: boolean): string => {
  const { looks, pausedAt } = run;
  const until = looks.at(-1)!.contacted;
  const unit = until > 2_000 ? 2_000 : 200;
  const last = Math.ceil((0.99 * until) / unit) * unit;
  const x = (contacted: number): number => left + (contacted / last) * width;
  const seen = looks.filter(({ contacted }, i) => i === 0 || contacted !== looks[i - 1]!.contacted);
  const every = Math.max(1, Math.floor(seen.length / 300));
  const points = seen.filter((_, i) => i % every === 0 || i === seen.length - 1);
  const line = (of: (look: (typeof points)[number]) => number, some = points): string =>
    `M${some.map((look) => `${x(look.contacted).toFixed(1)},${y(of(look)).toFixed(1)}`).join('L')}`;
  const band = `${line(({ low }) => low)}L${line(({ high }) => high, points.toReversed()).slice(1)}Z`;
  const level = (value: number, colour: string, label: string, under: boolean): string =>
    `<path d="M${left},${y(value)}h${width}" stroke="${colour}" stroke-dasharray="6 4"/><text class="over" x="${left + width}" y="${y(value) + (under ? 14 : -5)}" text-anchor="end" fill="${colour}">${label}</text>`;
  const ticksX = [0, 0.25, 0.5, 0.75, 1].map((t) => {
    const at = x(t * last);
    return `<path d="M${at},${y(LOWEST)}v5" stroke="#888"/><text x="${at}" y="${y(LOWEST) + 19}" text-anchor="${t === 1 ? 'end' : 'middle'}">${(t * last).toLocaleString('en')}</text>`;
  });
  const ticksY = TICKS.map(
    (value) =>
      `<path d="M${left},${y(value)}h${width}" stroke="#eee"/>${isFirst ? `<text x="${left - 8}" y="${y(value) + 4}" text-anchor="end">${Math.round(value * 100)} %</text>` : ''}`,
  );
  const pause =
    pausedAt === null
      ? ''
      : `<path d="M${x(pausedAt)},${TOP}V${y(LOWEST)}" stroke="#c0392b" stroke-width="1.5"/><text class="over" x="${x(pausedAt) - 6}" y="${TOP + 14}" text-anchor="end" fill="#c0392b" font-weight="600">paused after ${pausedAt.toLocaleString('en')} contacts</text>`;
  return [
    `<text x="${left}" y="24" font-size="14" font-weight="600">${title}</text>`,
    ...ticksY,
    ...ticksX,
    `<path d="${band}" fill="#9ecae1" fill-opacity="0.5"/>`,
    `<path d="${line(({ low }) => low)}" fill="none" stroke="#08519c" stroke-width="2"/>`,
    `<path d="${line(({ high }) => high)}" fill="none" stroke="#08519c" stroke-width="2"/>`,
    `<path d="${line(
      ({ estimate }) => estimate ?? 0,
      points.filter(({ estimate }) => estimate !== null),
    )}" fill="none" stroke="#444"/>`,
    level(MARGIN, '#c0392b', `margin ${Math.round(MARGIN * 100)} %`, truth === 0),
    truth === 0 ? '' : level(truth, '#8e6c00', `truth ${Math.round(truth * 100)} %`, false),
    pause,
    `<text x="${left + width / 2}" y="${y(LOWEST) + 37}" text-anchor="middle">matured contacts</text>`,
    drawShares(points, x, left + width),
  ].join('\n');
};

/** The share that is held out, under the axis. */
const drawShares = (points: ContactRun['looks'], x: (contacted: number) => number, right: number): string => {
  const starts = points.filter(({ share }, i) => i === 0 || share !== points[i - 1]!.share);
  const top = HEIGHT - STRIP - 8;
  const cells = starts.map(({ contacted, share }, i) => {
    const from = x(contacted);
    const to = i + 1 < starts.length ? x(starts[i + 1]!.contacted) : Math.min(right, x(points.at(-1)!.contacted));
    const label = to - from < 34 ? '' : `${Math.round(share * 100)} %`;
    return `<rect x="${from.toFixed(1)}" y="${top}" width="${Math.max(0, to - from).toFixed(1)}" height="16" fill="#08519c" fill-opacity="${(share * 3).toFixed(2)}"/><text x="${((from + to) / 2).toFixed(1)}" y="${top + 12}" text-anchor="middle" font-size="11">${label}</text>`;
  });
  return `${cells.join('\n')}\n<text x="${right}" y="${top + 28}" text-anchor="end" font-size="11">held out</text>`;
};
