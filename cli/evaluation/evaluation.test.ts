/** Policies of `attune evaluate` against the product's own decisions, and what a person reads of a report. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { hashUnit, UNKNOWN_CUSTOMER, type CustomerKey, type Scorer } from '#contracts';
import { compileCatalog, decide } from '#decisioning';
import type { LoggedDecision } from '#models';
import { collectRounds, evaluatePolicy, evaluateSlots, loggedPolicy } from '#models/evaluation';
import { loadProject } from '#project';
import { REWARD_FEATURES } from './model-policy.ts';
import { openPolicy } from './open-policy.ts';
import { renderEvaluation } from './render-evaluation.ts';

const CATALOG_DIR = fileURLToPath(new URL('../../catalog/telco', import.meta.url));
const catalog = compileCatalog(loadProject(CATALOG_DIR));
const dir = mkdtempSync(join(tmpdir(), 'attune-evaluation-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** As a model that knows each action from some hundred showings, more or less. */
const scorerOf = (n: number): Scorer => ({
  loop: '',
  version: 'm',
  snapshot: 1,
  effectiveN: 3_000,
  score(_, actions, out) {
    actions.forEach(({ id }, i) => {
      out.propensities[i] = 0.02 + 0.2 * hashUnit(`${id}/${n % 9}`);
      out.effectiveN[i] = 1 + 30 * hashUnit(id);
    });
  },
});

/** What the product decides, read back as the warehouse would have it. */
const decided = (n: number, limit = 1): LoggedDecision => {
  const view = {
    ...UNKNOWN_CUSTOMER,
    customerKey: `c-${n % 60}` as CustomerKey,
    known: true,
    attributes: { plan: n % 2 === 0 ? 'basic' : 'premium', tenureMonths: n % 40 },
  };
  const asked = {
    view,
    context: {},
    channel: 'app',
    direction: 'inbound' as const,
    placement: null,
    nowMs: Date.UTC(2026, 10, 2) + n * 60_000,
  };
  const verdict = decide({ catalog, ...asked, scorer: scorerOf(n), controls: null, limit, seed: n * 7_919 + 3, group: 'model' });
  const scored = verdict.scored.filter((index) => index >= 0);
  const rewards = verdict.chosen.map(({ propensity, value, rank }) => (hashUnit(`r-${n}-${rank}`) < propensity ? value : 0));
  return {
    decisionId: `d-${n}`,
    loop: '',
    request: asked,
    candidates: scored.map((index) => catalog.actions[index]!.profile),
    propensities: verdict.propensities,
    priorities: verdict.priorities.slice(0, scored.length),
    gammas: verdict.gammas.slice(0, scored.length),
    probabilities: verdict.probabilities.slice(0, scored.length),
    noneProbability: verdict.noneProbability,
    group: verdict.group,
    modelVersion: 'm',
    decidedAtMs: asked.nowMs,
    customerKey: view.customerKey,
    chosen: verdict.chosen.map(({ rank, index, probability, value }) => ({ rank, index: scored.indexOf(index), probability, value })),
    rewards: rewards.map((reward) => ({ target: reward > 0 ? 1 : 0, reward, outcome: 'none', matured: true })),
    asServed: true,
  };
};

const deps = { catalog, loop: '', log: undefined as never, store: undefined as never };
const open = (args: Parameters<typeof openPolicy>[1]) => openPolicy(deps, args);
const probabilitiesOf = (policy: Awaited<ReturnType<typeof open>>['policy'], decision: LoggedDecision): number[] => {
  const out = new Float64Array(decision.candidates.length + 1);
  expect(policy(decision, out)).toBe(true);
  return [...out];
};

test('the catalog in force, and its own exploration, would have chosen as they did', async () => {
  for (const args of [{ catalog: CATALOG_DIR }, { policy: catalog.exploration.policy }]) {
    const { policy } = await open(args);
    for (let n = 0; n < 40; n++) {
      const decision = decided(n);
      expect(decision.candidates.length).toBeGreaterThan(5);
      const asLogged = [...decision.probabilities, decision.noneProbability ?? 0];
      probabilitiesOf(policy, decision).forEach((p, i) => expect(p).toBeCloseTo(asLogged[i]!, 3));
    }
  }
});

test('a catalog in which an action is worth more would have chosen it more often, and one that is gone never', async () => {
  const first = decided(1);
  const favourite = first.candidates[first.probabilities.indexOf(Math.max(...first.probabilities))]!.id;
  const gone = join(dir, 'gone');
  cpSync(CATALOG_DIR, gone, { recursive: true });
  for (const file of ['care', 'devices', 'home', 'plans', 'retention', 'service']) {
    const path = join(gone, 'actions', `${file}.yaml`);
    writeFileSync(path, readFileSync(path, 'utf8').replace(`id: ${favourite}\n`, `id: ${favourite}-new\n`));
  }
  const { policy, name } = await open({ catalog: gone });
  expect(name).toContain(gone);
  const place = first.candidates.findIndex(({ id }) => id === favourite);
  const shares = probabilitiesOf(policy, first);
  expect(shares[place]).toBe(0);
  // It stands under another name, which was no candidate: that share is outside support.
  expect(shares.reduce((sum, p) => sum + p, 0)).toBeLessThan(0.999);
});

test('in the slots below the first, too, behind what was logged above them', async () => {
  for (const args of [{ catalog: CATALOG_DIR }, { policy: catalog.exploration.policy }]) {
    const { slots } = await open(args);
    let below = 0;
    for (let n = 0; n < 60; n++) {
      const decision = decided(n, 3);
      for (let slot = 1; slot < decision.chosen.length; slot++, below++)
        expect(slots!(decision, slot)).toBeCloseTo(decision.chosen[slot]!.probability, 3);
    }
    expect(below).toBeGreaterThan(60);
  }
  expect((await open({ action: 'anything' })).slots).toBeNull();
});

/** Two slots among four of a caller's own candidates, drawn by the product; `none` may end the answer. */
const OWN = ['w', 'x', 'y', 'z'].map((id) => ({ id, features: {} }));
const worthOf = (n: number, id: string): number => 0.1 + 0.8 * hashUnit(`${id}-${n % 5}`);
const ownDecided = (n: number): LoggedDecision => {
  const { request, ...rest } = decided(n);
  const scorer: Scorer = {
    ...scorerOf(n),
    score(_, actions, out) {
      actions.forEach(({ id }, i) => {
        out.propensities[i] = worthOf(n, id);
        out.effectiveN[i] = 10;
      });
    },
  };
  const asked = { catalog, ...request, scorer, controls: null, limit: 2, seed: n * 31 + 1, group: 'model' as const };
  const verdict = decide({ ...asked, ownCandidates: OWN, allowNone: true });
  return {
    ...rest,
    request,
    loop: 'own',
    candidates: OWN,
    propensities: verdict.propensities,
    priorities: verdict.priorities.slice(0, 4),
    gammas: verdict.gammas.slice(0, 4),
    probabilities: verdict.probabilities.slice(0, 4),
    noneProbability: verdict.noneProbability,
    chosen: verdict.chosen.map(({ rank, index, probability, value }) => ({ rank, index, probability, value })),
    rewards: verdict.chosen.map(({ rank, actionId }) => {
      const reward = hashUnit(`own-${n}-${rank}`) < worthOf(n, actionId) ? 1 : 0;
      return { target: reward, reward, outcome: 'none', matured: true };
    }),
  };
};

test('all slots of a policy are worth what its own answers would have brought, and the whole answer’s probability is refused where nobody knows it', async () => {
  const opened = await openPolicy({ ...deps, loop: 'own' }, { policy: 'greedy' });
  const decisions = Array.from({ length: 6_000 }, (_, n) => ownDecided(n));
  // oxlint-disable-next-line require-await -- a reader of the warehouse is asynchronous
  async function* read(): AsyncGenerator<readonly LoggedDecision[]> {
    yield decisions;
  }
  const rounds = await collectRounds(opened.prepare(read()), { policies: [loggedPolicy, opened.policy], slots: opened.slots! });
  const truth = decisions.map((_, n) => OWN.map(({ id }) => worthOf(n, id)).toSorted((a, b) => b - a));
  const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
  for (const assumption of ['independent', 'cascade'] as const) {
    const { slots, total, logged, difference } = evaluateSlots(rounds, assumption);
    expect(slots.map(({ rank }) => rank)).toEqual([1, 2]);
    expect(slots[0]!.value).toBeCloseTo(mean(truth.map(([best]) => best!)), 1);
    expect(logged).toBeCloseTo(mean(decisions.map(({ rewards }) => rewards.reduce((sum, one) => sum + one!.reward, 0))), 9);
    expect(difference.value).toBeCloseTo(total.value - logged, 9);
    // What is evaluated behind the logged slot above is another thing: only `cascade` is the policy's own answer.
    if (assumption === 'independent') continue;
    const whole = mean(truth.map(([best, second]) => best! + second!));
    expect(total.low).toBeLessThan(whole);
    expect(total.high).toBeGreaterThan(whole);
    expect(total.high - total.low).toBeLessThan(0.3);
    expect(difference.low).toBeLessThan(whole - logged);
    expect(difference.high).toBeGreaterThan(whole - logged);
  }
  expect(() => evaluateSlots(rounds, 'standard')).toThrow("'none' took part in 6,000 decisions");
  expect(() => evaluateSlots({ ...rounds, slots: null }, 'cascade')).toThrow('collected without their slots');
  const found = evaluatePolicy(rounds);
  const text = renderEvaluation({ name: 'n', loop: 'own', unscored: 0, withoutCatalog: 0, found, slots: evaluateSlots(rounds, 'cascade') });
  expect(text).toContain('all slots   cascade, which assumes that a slot’s reward depends on its own action and those above it');
  expect(text).toMatch(/\n {2}2 +[\d,]+ +[\d.]+ +[\d.]+ +[\d,]+ +[\d.]+\n {2}all together [\d.]+, 95 % interval/);
});

test('arguments that name no policy, or two, are refused by name', async () => {
  await expect(open({})).rejects.toThrow('name one of --action, --policy, --model and --catalog, not none');
  await expect(open({ action: 'a', policy: 'greedy' })).rejects.toThrow('not --action and --policy');
  await expect(open({ policy: 'best' })).rejects.toThrow(
    "--policy is logged or one of inverseGap, thompson, neuralLinear, softmax, epsilonGreedy, greedy, uniform, not 'best'",
  );
  await expect(openPolicy({ ...deps, loop: 'x' }, { catalog: CATALOG_DIR })).rejects.toThrow('leave --loop out');
});

test('a report says what was evaluated, how much the log knows of it, and what to go by', async () => {
  // oxlint-disable-next-line require-await -- a reader of the warehouse is asynchronous
  async function* read(): AsyncGenerator<readonly LoggedDecision[]> {
    yield Array.from({ length: 600 }, (_, n) => decided(n));
  }
  const opened = await open({ policy: 'greedy' });
  const rounds = await collectRounds(opened.prepare(read()), { policies: [loggedPolicy, opened.policy], features: REWARD_FEATURES });
  const found = evaluatePolicy(rounds, { reward: { low: -100, high: 1_000 } });
  const text = renderEvaluation({ name: opened.name, loop: '', unscored: 3, withoutCatalog: 0, found, slots: null });
  expect(text).toContain(
    'policy      exploration greedy, on the scores that were logged\nlog         600 decisions of 60 customers, 2026-11-02 00:00 to',
  );
  expect(text).toContain('3 from before there was a snapshot of the model');
  expect(text).toMatch(/\* DR +[\d.]+ {3}[\d.−]+ to [\d.]+ +[+−][\d.]+ {3}/);
  expect(text).toMatch(/DRos \(λ [\d∞]+\) +[\d.]+ {3}none: biased/);
  expect(text).toMatch(/confidence sequence, IPS less logged +[\d.−]+ to [\d.]+/);
  expect(text.split('\n').at(-1)).toMatch(/^\* Go by DR\.|^The log knows too little/);
});
