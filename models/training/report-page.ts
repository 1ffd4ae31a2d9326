/** A training report as one page that needs nothing else: no scripts, plots as SVG. */
import type { TopLevelSpec } from 'vega-lite';
import type { TrainingReport } from './report.ts';

export const renderReport = async (report: TrainingReport, version: string): Promise<string> => {
  const plots = await Promise.all(plotsOf(report).map(async ({ title, meaning, spec }) => figure(title, meaning, await toSvg(spec))));
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Training of ${escape(version)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>Training report: model ${escape(version)}</h1>
<p>${escape(summary(report))}</p>
<h2>On held-out decisions</h2>
<p>The last ${report.rows.heldOut.toLocaleString('en')} shown actions in time; nothing was fitted, chosen or stopped by them. Lower loss is better.</p>
${table(
  [
    'predictions',
    report.loss === 'logistic' ? 'log-loss' : 'squared error',
    'AUC',
    'calibration error',
    'mean predicted',
    'mean outcome',
    'rows',
    'what it is',
  ],
  report.scores.map((score) => [
    score.name,
    ...[score.loss, score.auc, score.calibrationError, score.meanPredicted, score.meanOutcome].map((value) => number(value, 4)),
    score.rows.toLocaleString('en'),
    score.meaning,
  ]),
)}
<div class="plots">${plots.join('\n')}</div>
<h2>Actions</h2>
<p>Rows of all the data; AUC of the new trunk’s head on the held-out rows. Effective n: as many equally weighted rows would say as much as these, weighted by 1/p up to ${report.clip}.</p>
${table(
  ['action', 'rows', 'positives', 'effective n', report.loss === 'logistic' ? 'rate' : 'mean reward', 'AUC'],
  report.actions.map((one) => [
    one.actionId,
    one.rows.toLocaleString('en'),
    one.positives.toLocaleString('en'),
    Math.round(one.effectiveRows).toLocaleString('en'),
    number(one.rate, 4),
    one.auc === null ? '–' : number(one.auc, 3),
  ]),
)}
<h2>Hyper-parameters</h2>
<p>Progressive loss: each block of time was predicted before it was learned; the worse half was dropped after each block.</p>
${table(
  ['hidden layers', 'activation', 'learning rate', 'weight decay', 'batch', 'progressive loss', 'blocks scored', ''],
  report.candidates.map((one) => [
    one.hidden.length === 0 ? 'none' : one.hidden.join(', '),
    one.activation,
    String(one.learningRate),
    String(one.weightDecay),
    String(one.batchRows),
    one.blocks === 0 ? '–' : number(one.loss, 4),
    String(one.blocks),
    one.chosen ? 'chosen' : '',
  ]),
)}
${memorySection(report)}<h2>Settings</h2>
${table(
  ['setting', 'value'],
  [
    ['trunk', report.trunk],
    ['objective', `${report.objective}, weights up to ${report.clip}`],
    ['share of the zeros that were fitted', number(report.keptNegatives, 3)],
    ['seed', String(report.seed)],
    ['TensorFlow.js backend', report.backend],
    ['half-life', report.memory.chosen],
    ['epochs, best', `${report.epochs.length}, ${report.bestEpoch + 1}`],
    ['rows fitted, validated, held out', `${report.rows.fitted}, ${report.rows.validated}, ${report.rows.heldOut}`],
    ['rows left out (recorded before the encoder’s inputs were kept)', String(report.rows.notAsServed)],
    ['decisions from, to', `${time(report.fromMs)}, ${time(report.toMs)}`],
    ['held out from', time(report.heldOutFromMs)],
    ['posterior holds decisions until', time(report.posteriorUntilMs)],
  ],
)}
</body>
</html>
`;
};

const memorySection = ({ memory, loss }: TrainingReport): string =>
  memory.trials.length === 0
    ? ''
    : `<h2>Memory</h2>
<p>Half-lives on ${memory.rows.toLocaleString('en')} rows that are not held out, each predicted before it was learned. The first one stays unless another is better by more than a standard error.</p>
${table(
  ['half-life', `progressive ${loss === 'logistic' ? 'log-loss' : 'squared error'}`, 'above the least', 'standard error', ''],
  memory.trials.map((one) => [
    one.halfLife,
    number(one.loss, 5),
    number(one.excess, 5),
    number(one.excessError, 5),
    one.chosen ? 'chosen' : '',
  ]),
)}
`;

const summary = ({ scores, loss, loop, trunk }: TrainingReport): string => {
  const [head, zero] = scores;
  const gain = 1 - head!.loss / zero!.loss;
  const name = loss === 'logistic' ? 'log-loss' : 'squared error';
  const verdict =
    gain > 0
      ? `${(gain * 100).toFixed(1)} % lower ${name} than model zero on the same rows`
      : `no better than model zero on the same rows (${name} ${(-gain * 100).toFixed(1)} % higher)`;
  return `${loop === '' ? 'The catalog’s loop' : `Loop ${loop}`}, trunk ${trunk}: ${verdict}. It is a challenger: whether it serves is for the promotion gate or an operator to say.`;
};

interface Plot {
  readonly title: string;
  readonly meaning: string;
  readonly spec: TopLevelSpec;
}

const SIZE = { width: 340, height: 220 } as const;
const DIAGONAL = (top: number) => ({
  data: {
    values: [
      { x: 0, y: 0 },
      { x: top, y: top },
    ],
  },
  mark: { type: 'line' as const, strokeDash: [4, 4], color: '#999' },
  encoding: { x: { field: 'x', type: 'quantitative' as const }, y: { field: 'y', type: 'quantitative' as const } },
});

const plotsOf = (report: TrainingReport): readonly Plot[] => [
  {
    title: 'Loss by epoch',
    meaning:
      'The fitted loss is weighted and, where zeros were left out, of fewer of them: compare its course, not its height. The dot is the epoch that was kept.',
    spec: lossPlot(report),
  },
  {
    title: 'Calibration',
    meaning: 'Tenths of the held-out rows: mean prediction against what came true, with 95 % intervals.',
    spec: calibrationPlot(report),
  },
  {
    title: 'Cumulative gains',
    meaning: 'Share of all positives among the best-ranked share of held-out rows; dashed: at random.',
    spec: gainsPlot(report),
  },
  { title: 'AUC by action', meaning: 'Held-out, new trunk; the 25 most frequent actions that had both outcomes.', spec: aucPlot(report) },
  { title: 'Positives and effective n', meaning: 'The 25 most frequent actions, on a logarithmic scale.', spec: countsPlot(report) },
  {
    title: 'Drift of inputs',
    meaning: 'Population stability index between fitted and held-out rows; under 0.1 is calm, above 0.25 the input has moved.',
    spec: driftPlot(report),
  },
  ...(report.memory.trials.length === 0
    ? []
    : [
        {
          title: 'Loss by half-life',
          meaning: 'Progressive loss above the least, with a standard error to each side; the chosen one is filled.',
          spec: memoryPlot(report),
        },
      ]),
];

const lossPlot = ({ epochs, bestEpoch }: TrainingReport): TopLevelSpec => ({
  ...SIZE,
  data: {
    values: epochs.flatMap(({ fitted, validated }, i) => [
      { epoch: i + 1, loss: fitted, part: 'fitted', best: false },
      { epoch: i + 1, loss: validated, part: 'validated', best: i === bestEpoch },
    ]),
  },
  encoding: {
    x: { field: 'epoch', type: 'quantitative', axis: { tickMinStep: 1, format: 'd' }, title: 'epoch' },
    y: { field: 'loss', type: 'quantitative', scale: { zero: false }, title: 'loss' },
    color: { field: 'part', type: 'nominal', title: null },
  },
  layer: [{ mark: 'line' }, { transform: [{ filter: 'datum.best' }], mark: { type: 'point', filled: true, size: 70 } }],
});

const calibrationPlot = ({ calibration, loss }: TrainingReport): TopLevelSpec => {
  const values = (['head', 'network'] as const).flatMap((name) =>
    calibration[name].map((bin) => {
      const error = loss === 'logistic' ? 1.96 * Math.sqrt(Math.max(0, bin.observed * (1 - bin.observed)) / bin.rows) : 0;
      return { ...bin, name: name === 'head' ? 'new trunk' : 'network', low: bin.observed - error, high: bin.observed + error };
    }),
  );
  return {
    ...SIZE,
    layer: [
      DIAGONAL(Math.max(...values.flatMap((bin) => [bin.predicted, bin.high]))),
      {
        data: { values },
        encoding: {
          x: { field: 'predicted', type: 'quantitative', title: 'predicted' },
          y: { field: 'observed', type: 'quantitative', title: 'observed' },
          color: { field: 'name', type: 'nominal', title: null },
        },
        layer: [
          { mark: { type: 'line', point: true } },
          { mark: 'rule', encoding: { y: { field: 'low', type: 'quantitative' }, y2: { field: 'high' } } },
        ],
      },
    ],
  };
};

const gainsPlot = ({ gains }: TrainingReport): TopLevelSpec => ({
  ...SIZE,
  layer: [
    DIAGONAL(1),
    {
      data: { values: gains.flatMap(({ name, curve }) => curve.map((point) => ({ ...point, name }))) },
      mark: 'line',
      encoding: {
        x: { field: 'share', type: 'quantitative', title: 'share of rows', axis: { format: '%' } },
        y: { field: 'gained', type: 'quantitative', title: 'share of positives', axis: { format: '%' } },
        color: { field: 'name', type: 'nominal', title: null },
      },
    },
  ],
});

const SHOWN = 25;

const aucPlot = ({ actions }: TrainingReport): TopLevelSpec => ({
  width: SIZE.width,
  height: { step: 14 },
  data: {
    values: actions
      .filter(({ auc }) => auc !== null)
      .slice(0, SHOWN)
      .map(({ actionId, auc }) => ({ actionId, auc })),
  },
  layer: [
    {
      mark: { type: 'point', filled: true, size: 50 },
      encoding: {
        y: { field: 'actionId', type: 'nominal', title: null, sort: null },
        x: { field: 'auc', type: 'quantitative', scale: { domain: [0, 1] }, title: 'AUC' },
      },
    },
    {
      data: { values: [{ x: 0.5 }] },
      mark: { type: 'rule', strokeDash: [4, 4], color: '#999' },
      encoding: { x: { field: 'x', type: 'quantitative' } },
    },
  ],
});

const countsPlot = ({ actions }: TrainingReport): TopLevelSpec => ({
  width: SIZE.width,
  height: { step: 14 },
  data: {
    values: actions.slice(0, SHOWN).flatMap(({ actionId, positives, effectiveRows }) => [
      { actionId, count: Math.max(1, positives), of: 'positives' },
      { actionId, count: Math.max(1, effectiveRows), of: 'effective n' },
    ]),
  },
  mark: { type: 'point', filled: true, size: 50 },
  encoding: {
    y: { field: 'actionId', type: 'nominal', title: null, sort: null },
    x: { field: 'count', type: 'quantitative', scale: { type: 'log' }, title: 'rows' },
    color: { field: 'of', type: 'nominal', title: null },
  },
});

const driftPlot = ({ drift }: TrainingReport): TopLevelSpec => ({
  width: SIZE.width,
  height: { step: 14 },
  data: { values: [...drift] },
  layer: [
    {
      mark: 'bar',
      encoding: {
        y: { field: 'input', type: 'nominal', title: null, sort: null },
        x: { field: 'stabilityIndex', type: 'quantitative', title: 'stability index' },
      },
    },
    {
      data: { values: [{ x: 0.25 }] },
      mark: { type: 'rule', strokeDash: [4, 4], color: '#b00' },
      encoding: { x: { field: 'x', type: 'quantitative' } },
    },
  ],
});

const memoryPlot = ({ memory }: TrainingReport): TopLevelSpec => ({
  ...SIZE,
  data: { values: memory.trials.map((one) => ({ ...one, low: one.excess - one.excessError, high: one.excess + one.excessError })) },
  encoding: { x: { field: 'halfLife', type: 'nominal', title: 'half-life', sort: null } },
  layer: [
    {
      mark: 'rule',
      encoding: { y: { field: 'low', type: 'quantitative', title: 'loss above the least' }, y2: { field: 'high' } },
    },
    {
      mark: { type: 'point', size: 70 },
      encoding: {
        y: { field: 'excess', type: 'quantitative' },
        fill: { condition: { test: 'datum.chosen', value: '#4c78a8' }, value: 'white' },
      },
    },
  ],
});

/** Loaded when a page is made: nothing that serves or learns needs it. */
const toSvg = async (spec: TopLevelSpec): Promise<string> => {
  const [{ View, parse }, { compile }] = await Promise.all([import('vega'), import('vega-lite')]);
  const config = { background: 'white', font: 'system-ui, sans-serif', view: { stroke: null } };
  const view = new View(parse(compile(spec, { config }).spec), { renderer: 'none' });
  const svg = await view.toSVG();
  view.finalize();
  return svg;
};

const figure = (title: string, meaning: string, svg: string): string =>
  `<figure><figcaption><strong>${escape(title)}.</strong> ${escape(meaning)}</figcaption>${svg}</figure>`;

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  `<table><thead><tr>${head.map((cell) => `<th>${escape(cell)}</th>`).join('')}</tr></thead><tbody>${rows
    .map((row) => `<tr>${row.map((cell) => `<td>${escape(cell)}</td>`).join('')}</tr>`)
    .join('')}</tbody></table>`;

const number = (value: number, digits: number): string => (Number.isFinite(value) ? value.toFixed(digits) : '–');
const time = (ms: number): string => (ms === 0 ? 'the beginning' : new Date(ms).toISOString().slice(0, 19).replace('T', ' ') + ' UTC');
const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

const STYLE = `
body { font: 15px/1.5 system-ui, sans-serif; color: #222; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 0.2rem 0.9rem 0.2rem 0; border-bottom: 1px solid #e5e5e5; vertical-align: top; }
th { font-weight: 600; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(26rem, 1fr)); gap: 1.5rem; margin-top: 1.5rem; }
figure { margin: 0; } figcaption { color: #555; max-width: 27rem; min-height: 4.5rem; } figcaption strong { color: #222; }
svg { max-width: 100%; height: auto; }
`;
