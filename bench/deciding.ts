/** Times deciding without scoring: funnel, contact policy, arbitration and choice over the telco catalog, in CPU time. `node bench/deciding.ts` */
import { fileURLToPath } from 'node:url';
import { loadProject } from '#project';
import { compileCatalog, decide } from '#decisioning';
import { createInput, createTestScorer, createView } from '../decisioning/testing/fixtures.ts';

const catalog = compileCatalog(loadProject(fileURLToPath(new URL('../catalog/telco', import.meta.url))));
const quick = createTestScorer();
const scores = new Float32Array(catalog.actions.length).map((_, i) => 0.01 + ((i * 37) % 100) / 700);
/** A model that costs nothing. */
const scorer = {
  ...quick,
  score: (_: unknown, actions: readonly unknown[], out: { propensities: Float32Array; effectiveN: Float32Array }) => {
    for (let i = 0; i < actions.length; i++) {
      out.propensities[i] = scores[i]!;
      out.effectiveN[i] = 500;
    }
  },
};
const pages = ['home', 'bill', 'support', 'plans'];
const views = Array.from({ length: 64 }, (_, i) =>
  createView({
    key: i.toString(16).padStart(32, '0'),
    attributes: { plan: ['basic', 'standard', 'premium'][i % 3]!, tenureMonths: i },
    features: { calls30d: i % 6 },
    contacts: Array.from({ length: 10 }, (__, k) => ({
      atMs: 1_795_000_000_000 - k * 40_000_000,
      channel: 'app',
      direction: 'inbound' as const,
      actionId: catalog.actions[(i + k) % catalog.actions.length]!.id,
    })),
  }),
);
const inputs = views.map((view, i) =>
  createInput(catalog, {
    view,
    scorer: scorer,
    context: { page: pages[i % 4]! },
    seed: i * 7_919,
    limit: 1 + (i % 3),
    nowMs: 1_795_000_000_000,
  }),
);

const run = (count: number): number => {
  const start = process.cpuUsage();
  for (let i = 0; i < count; i++) decide(inputs[i & 63]!);
  const { user, system } = process.cpuUsage(start);
  return (user + system) / count;
};
run(20_000);
const rounds = Array.from({ length: 15 }, () => run(5_000)).toSorted((a, b) => a - b);
const scored = inputs.reduce((sum, input) => sum + decide(input).scored.length - 1, 0) / inputs.length;
console.log(`${catalog.actions.length} actions, ${catalog.conditions.length} conditions, ${scored.toFixed(1)} scored on average`);
console.log(
  JSON.stringify({
    bench: 'deciding',
    microseconds: Number(rounds[7]!.toFixed(2)),
    best: Number(rounds[0]!.toFixed(2)),
    actions: catalog.actions.length,
  }),
);
