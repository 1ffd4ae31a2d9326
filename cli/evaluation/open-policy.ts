/** The policy that the arguments of `attune evaluate` name, ready to be asked about logged decisions. */
import { AttuneError } from '#contracts';
import { compileCatalog } from '#decisioning';
import type { Catalog } from '#decisioning';
import type { LoggedDecision } from '#models';
import { constantPolicy, loggedPolicy, loggedSlots, type Policy, type SlotPolicy } from '#models/evaluation';
import { POLICY_NAMES, sampleSizeOf, type ExplorationSpec } from '#models/exploration';
import { loadProject } from '#project';
import { readModels } from '../promotion/read-models.ts';
import { openScorerAt } from '../promotion/scorer-at.ts';
import type { Stores } from '../open-stores.ts';
import { policyOfScores, scoresOf, slotsOfScores, type Scores } from './model-policy.ts';
import { otherCatalogPolicy } from './other-catalog.ts';

/** Just one of the four. */
export interface PolicyArguments {
  readonly action?: string;
  readonly policy?: string;
  readonly model?: string;
  readonly catalog?: string;
}

export interface OpenedPolicy {
  /** For a person: what is evaluated. */
  readonly name: string;
  readonly policy: Policy;
  /** What it does in the slots below the first; null: it says nothing of them. */
  readonly slots: SlotPolicy | null;
  /** Passes on the decisions that the policy can be asked about, once it is ready for them. */
  readonly prepare: (decisions: AsyncIterable<readonly LoggedDecision[]>) => AsyncIterable<readonly LoggedDecision[]>;
  /** Decisions that it was not ready for, so far. */
  readonly unscored: () => number;
}

interface Deps extends Pick<Stores, 'log' | 'store'> {
  readonly catalog: Catalog;
  readonly loop: string;
}

/** Throws `config.invalid`, `evaluation.unknown` for a model that nobody announced, `promotion.no-artifact`. */
export const openPolicy = async (deps: Deps, args: PolicyArguments): Promise<OpenedPolicy> => {
  const given = Object.entries(args).filter(([, value]) => value !== undefined);
  if (given.length !== 1)
    throw new AttuneError(
      'config.invalid',
      `name one of --action, --policy, --model and --catalog, not ${given.length === 0 ? 'none' : given.map(([name]) => `--${name}`).join(' and ')}`,
    );
  if (args.action !== undefined) return asItIs(`always ${args.action}`, { policy: constantPolicy(args.action), slots: null });
  if (args.model !== undefined) return modelPolicy(deps, args.model);
  if (args.policy === 'logged') return asItIs('as it was logged', { policy: loggedPolicy, slots: loggedSlots });
  if (args.catalog !== undefined) {
    if (deps.loop !== '') throw new AttuneError('config.invalid', '--catalog concerns the catalog’s own loop: leave --loop out');
    const other = compileCatalog(loadProject(args.catalog));
    return asItIs(
      `the catalog ${args.catalog} (${other.version})`,
      otherCatalogPolicy(other, deps.catalog, loggedScores(deps.catalog.exploration)),
    );
  }
  const inForce = deps.loop === '' ? deps.catalog.exploration : deps.catalog.ownExploration;
  const exploration = explorationOf(args.policy!, inForce);
  return asItIs(
    `exploration ${exploration.policy}, on the scores that were logged`,
    ofScores({ ...deps.catalog, exploration, ownExploration: exploration }, loggedScores(inForce)),
  );
};

const asItIs = (name: string, policy: Pick<OpenedPolicy, 'policy' | 'slots'>): OpenedPolicy => ({
  name,
  ...policy,
  prepare: (decisions) => decisions,
  unscored: () => 0,
});

const ofScores = (catalog: Catalog, scores: (decision: LoggedDecision) => Scores | null): Pick<OpenedPolicy, 'policy' | 'slots'> => ({
  policy: policyOfScores(catalog, scores),
  slots: slotsOfScores(catalog, scores),
});

/** A version, as it was at each decision: it has learned from none that it is asked about. */
const modelPolicy = async (deps: Deps, version: string): Promise<OpenedPolicy> => {
  const known = (await readModels(deps.log)).find(deps.loop, version);
  if (known === null)
    throw new AttuneError(
      'evaluation.unknown',
      `there is no model version "${version}"${deps.loop === '' ? '' : ` in loop "${deps.loop}"`}; GET /v1/models lists them`,
    );
  const scorer = await openScorerAt(deps.store.blobs, known);
  const scored = new WeakMap<LoggedDecision, Scores>();
  let unscored = 0;
  return {
    name: `model ${version}, as it was before each decision`,
    ...ofScores(deps.catalog, (decision) => scored.get(decision) ?? null),
    unscored: () => unscored,
    async *prepare(decisions) {
      for await (const batch of decisions) {
        const ready: LoggedDecision[] = [];
        for (const decision of batch) {
          const found = await scorer.at(decision.decidedAtMs);
          if (found === null) unscored++;
          else {
            scored.set(decision, scoresOf(found, decision));
            ready.push(decision);
          }
        }
        yield ready;
      }
    },
  };
};

/** What was logged; how much was known of each candidate then is read back from its γ, by the schedule of the catalog in force. */
const loggedScores =
  ({ gammas: schedule }: ExplorationSpec) =>
  ({ propensities, gammas }: LoggedDecision): Scores => {
    const effectiveN = gammas.map((gamma) => sampleSizeOf(gamma, schedule));
    return { propensities, effectiveN, modelEffectiveN: effectiveN.reduce((sum, n) => sum + n, 0) };
  };

const explorationOf = (name: string, { gammas }: ExplorationSpec): ExplorationSpec => {
  const policy = POLICY_NAMES.find((one) => one === name);
  switch (policy) {
    case undefined:
      throw new AttuneError(
        'config.invalid',
        `--policy is logged or one of ${POLICY_NAMES.join(', ')}, not '${name}'; a catalog (--catalog DIR) may set its parameters`,
      );
    case 'softmax':
      return { policy, floor: 1e-4, gammas, temperature: 0.1 };
    case 'epsilonGreedy':
      return { policy, floor: 0, gammas, epsilon: 0.1, decay: Infinity, least: 0 };
    case 'thompson':
    case 'neuralLinear':
      return { policy, floor: 1e-4, gammas, draws: 0, correlation: 0 };
    default:
      return { policy, floor: 0, gammas };
  }
};
