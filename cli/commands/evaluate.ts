/** `attune evaluate`: what another policy would have been worth, by the decisions that the warehouse holds. */
import { parseArgs } from 'node:util';
import { AttuneError, DAY_MS } from '#contracts';
import { compileCatalog } from '#decisioning';
import { collectRounds, evaluatePolicy, evaluateSlots, loggedPolicy, SLOT_ASSUMPTIONS } from '#models/evaluation';
import type { Range, SlotAssumption } from '#models/evaluation';
import { loadProject } from '#project';
import type { Config } from '../config.ts';
import { REWARD_FEATURES } from '../evaluation/model-policy.ts';
import { openPolicy } from '../evaluation/open-policy.ts';
import { renderEvaluation } from '../evaluation/render-evaluation.ts';
import { loggedDecisionsOf } from '../open-logged-decisions.ts';
import { openStores } from '../open-stores.ts';
import { openConfiguredWarehouse } from '../open-warehouse.ts';

const DAYS = 90;

export const evaluate = async (config: Config, args: readonly string[]): Promise<void> => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      action: { type: 'string' },
      policy: { type: 'string' },
      model: { type: 'string' },
      catalog: { type: 'string' },
      loop: { type: 'string', default: '' },
      from: { type: 'string' },
      to: { type: 'string' },
      rows: { type: 'string', default: '100000' },
      level: { type: 'string', default: '0.95' },
      rewards: { type: 'string' },
      slots: { type: 'string', default: 'first' },
      floor: { type: 'string' },
      seed: { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
    },
  });
  const { loop, action, policy: policyName, model, catalog: catalogDir } = values;
  const toMs = values.to === undefined ? Date.now() : timeOf('to', values.to);
  const fromMs = values.from === undefined ? toMs - DAYS * DAY_MS : timeOf('from', values.from);
  const level = numberOf('level', values.level, 0.5, 0.9999);
  const seed = numberOf('seed', values.seed, 0, 2 ** 32);
  const most = Math.trunc(numberOf('rows', values.rows, 1, 10_000_000));
  const reward = values.rewards === undefined ? null : rangeOf(values.rewards);
  const largestWeight = values.floor === undefined ? null : 1 / numberOf('floor', values.floor, 1e-9, 1);
  const assumption = assumptionOf(values.slots);
  const project = loadProject(config.catalogDir);
  const stores = await openStores(config);
  const warehouse = openConfiguredWarehouse(config);
  let withoutCatalog = 0;
  try {
    const opened = await openPolicy(
      { ...stores, catalog: compileCatalog(project), loop },
      given({ action, policy: policyName, model, catalog: catalogDir }),
    );
    if (assumption !== 'first' && opened.slots === null)
      throw new AttuneError(
        'config.invalid',
        `--slots ${assumption} needs a policy for every slot, and '${opened.name}' says nothing of those below the first`,
      );
    const logged = loggedDecisionsOf({
      warehouse,
      blobs: stores.store.blobs,
      project,
      onLeftOut: (decisions) => (withoutCatalog += decisions),
    });
    const rounds = await collectRounds(opened.prepare(logged.read({ loop, fromMs, toMs })), {
      policies: [loggedPolicy, opened.policy],
      features: REWARD_FEATURES,
      most,
      ...(assumption === 'first' || opened.slots === null ? {} : { slots: opened.slots }),
    }).catch((error: unknown) => {
      if (!(error instanceof AttuneError && error.code === 'evaluation.no-data') || opened.unscored() + withoutCatalog === 0) throw error;
      throw new AttuneError(error.code, `${error.message}${tellUnscored(opened.unscored(), withoutCatalog)}`);
    });
    const found = evaluatePolicy(rounds, { level, seed, reward, largestWeight });
    const slots = assumption === 'first' ? null : evaluateSlots(rounds, assumption, { level });
    const more = { name: opened.name, loop, unscored: opened.unscored(), withoutCatalog };
    console.log(values.json ? JSON.stringify({ ...more, ...found, slots }) : renderEvaluation({ ...more, found, slots }));
  } finally {
    await warehouse.close();
    await stores.close();
  }
};

const tellUnscored = (unscored: number, withoutCatalog: number): string =>
  [
    ...(unscored > 0
      ? [`; ${unscored.toLocaleString('en')} from before there was a snapshot of the model that had not learned from them`]
      : []),
    ...(withoutCatalog > 0 ? [`; ${withoutCatalog.toLocaleString('en')} whose catalog is gone`] : []),
  ].join('');

/** Without what was not given: an option that is absent is not one that is undefined. */
const given = <T extends Readonly<Record<string, string | undefined>>>(options: T): { [K in keyof T]?: string } =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as { [K in keyof T]?: string };

const timeOf = (name: string, text: string): number => {
  const ms = Date.parse(text);
  if (Number.isNaN(ms))
    throw new AttuneError('config.invalid', `--${name} must be a date as in 2026-11-25 or 2026-11-25T10:00:00Z, not '${text}'`);
  return ms;
};

const numberOf = (name: string, text: string, least: number, greatest: number): number => {
  const value = Number(text);
  if (text.trim() === '' || !(value >= least && value <= greatest))
    throw new AttuneError('config.invalid', `--${name} must be a number from ${least} to ${greatest}, not '${text}'`);
  return value;
};

const assumptionOf = (text: string): SlotAssumption => {
  const found = SLOT_ASSUMPTIONS.find((one) => one === text);
  if (found === undefined) throw new AttuneError('config.invalid', `--slots must be one of ${SLOT_ASSUMPTIONS.join(', ')}, not '${text}'`);
  return found;
};

const rangeOf = (text: string): Range => {
  const [low, high, ...rest] = text.split(',').map(Number);
  if (low === undefined || high === undefined || rest.length > 0 || !(low < high))
    throw new AttuneError('config.invalid', `--rewards must be two numbers, the lower first, as in 0,40, not '${text}'`);
  return { low, high };
};
