/** Compiles a project's actions and policies; every mistake is reported with file and line, and a catalog with one is refused whole. */
import { HOUR_MS } from '#contracts';
import { personalNamesOf, refuseFaults } from '#project';
import type { Fault, Project } from '#project';
import { DEFAULT_SHARES } from '../groups.ts';
import { compileActions } from './compile-actions.ts';
import { DEFAULT_EXPLORATION, DEFAULT_OWN_EXPLORATION } from '#models/exploration';
import { compileExploration } from './compile-exploration.ts';
import { compileRules, compileWeights } from './compile-policies.ts';
import { createConditionPool } from './condition-pool.ts';
import { createReader } from './reader.ts';
import type { Reader } from './reader.ts';
import type { Catalog, Channel, Placement } from './types.ts';

/** What project.yaml says of the world that actions and policies live in. */
export interface Setting {
  readonly name: string;
  readonly currency: string;
  readonly timeZone: string;
  readonly channels: ReadonlyMap<string, Channel>;
  readonly channelNames: readonly string[];
  readonly topics: readonly string[];
  readonly groups: readonly string[];
  readonly marketingGroups: readonly string[];
  readonly placements: ReadonlyMap<string, Placement>;
  readonly contextNames: readonly string[] | null;
}

/** Throws ProjectError. */
export const compileCatalog = (project: Project): Catalog => {
  const faults: Fault[] = [];
  const setting = compileSetting(project, faults);
  const pool = createConditionPool(project, setting.contextNames);
  const { actions, actionRules } = compileActions({ project, setting, pool, faults });
  const document = project.document('policies.yaml');
  const policies = document === null ? null : createReader(document, [], document.value ?? {}, faults);
  policies?.only(
    ['shares', 'none', 'exploration', 'ownExploration', 'answer', 'levers', 'contextWeights', 'contactPolicy', 'backfire'],
    'policies.yaml',
  );
  const scope = { setting, pool, actions };
  const rules = compileRules(scope, policies, actionRules);
  const weights =
    policies === null ? [] : [...compileWeights(scope, policies, 'levers'), ...compileWeights(scope, policies, 'contextWeights')];
  const shares = compileShares(policies?.child('shares') ?? null);
  const answer = policies?.child('answer') ?? null;
  answer?.only(['perTopic'], 'answer');
  const none = policies?.child('none') ?? null;
  none?.only(['priority'], 'none');
  const catalog: Catalog = {
    version: project.version,
    name: setting.name,
    currency: setting.currency,
    timeZone: setting.timeZone,
    channels: setting.channels,
    topics: setting.topics,
    groups: setting.groups,
    marketingGroups: setting.marketingGroups,
    placements: setting.placements,
    actions,
    indexOf: new Map(actions.map((action) => [action.id, action.index])),
    conditions: pool.conditions,
    rules,
    weights,
    shares,
    nonePriority: none?.number('priority', 0) ?? 0,
    exploration: compileExploration(policies?.child('exploration') ?? null, DEFAULT_EXPLORATION),
    ownExploration: compileExploration(policies?.child('ownExploration') ?? null, DEFAULT_OWN_EXPLORATION),
    personal: personalNamesOf(project),
    backfire: compileBackfire(policies?.child('backfire') ?? null),
    perTopic: answer?.number('perTopic', Infinity, { min: 1 }) ?? Infinity,
  };
  refuseFaults(faults);
  return catalog;
};

const EMPTY_SETTING: Setting = {
  name: 'project',
  currency: 'EUR',
  timeZone: 'UTC',
  channels: new Map(),
  channelNames: [],
  topics: [],
  groups: [],
  marketingGroups: [],
  placements: new Map(),
  contextNames: null,
};

const compileSetting = (project: Project, faults: Fault[]): Setting => {
  const document = project.document('project.yaml');
  if (document === null) {
    faults.push({
      file: 'project.yaml',
      line: 1,
      column: 1,
      message: 'this file is required: name, currency, timeZone, channels, topics, groups',
    });
    return EMPTY_SETTING;
  }
  const reader = createReader(document, [], document.value ?? {}, faults);
  if (reader === null) return EMPTY_SETTING;
  reader.only(['name', 'currency', 'timeZone', 'channels', 'topics', 'groups', 'placements', 'context'], 'project.yaml');
  const channels = compileChannels(reader.child('channels'));
  const channelNames = [...channels.keys()];
  if (channelNames.length === 0) reader.fault('channels', "'channels' is required: at least one");
  const topics = texts(reader, 'topics');
  const { groups, marketingGroups } = compileGroups(reader);
  return {
    name: reader.text('name'),
    currency: reader.text('currency', 'EUR'),
    timeZone: compileTimeZone(reader),
    channels,
    channelNames,
    topics,
    groups,
    marketingGroups,
    placements: compilePlacements(reader.child('placements'), channelNames, groups, topics),
    contextNames: reader.has('context') ? texts(reader, 'context') : null,
  };
};

/** A list of texts, or the keys of a mapping. */
const texts = (reader: Reader, key: string): string[] => {
  const found = reader.raw(key);
  if (Array.isArray(found) && found.every((item) => typeof item === 'string')) return found;
  if (typeof found === 'object' && found !== null && !Array.isArray(found)) return Object.keys(found);
  reader.fault(key, `'${key}' must be a list of texts`);
  return [];
};

const compileTimeZone = (reader: Reader): string => {
  const zone = reader.text('timeZone', 'UTC');
  try {
    Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions();
    return zone;
  } catch {
    reader.fault('timeZone', `'${zone}' is not a time zone; use a name such as Europe/Berlin`);
    return 'UTC';
  }
};

const compileChannels = (reader: Reader | null): Map<string, Channel> => {
  const channels = new Map<string, Channel>();
  for (const name of reader?.keys ?? []) {
    const channel = reader?.child(name);
    if (channel === null || channel === undefined) continue;
    channel.only(['directions', 'escape'], 'a channel');
    const directions = channel.names('directions', ['inbound', 'outbound'], 'direction') ?? ['inbound'];
    channels.set(name, {
      name,
      directions: directions as Channel['directions'],
      escape: channel.oneOf('escape', ['html', 'text'], 'text'),
    });
  }
  return channels;
};

const compileGroups = (reader: Reader): { groups: string[]; marketingGroups: string[] } => {
  const groups = texts(reader, 'groups');
  const definitions = Array.isArray(reader.raw('groups')) ? null : reader.child('groups');
  const marketingGroups = groups.filter((group) => {
    const definition = definitions?.child(group);
    definition?.only(['marketing'], 'a group');
    return definition?.flag('marketing', false) ?? false;
  });
  return { groups, marketingGroups };
};

const compilePlacements = (
  reader: Reader | null,
  channels: readonly string[],
  groups: readonly string[],
  topics: readonly string[],
): Map<string, Placement> => {
  const placements = new Map<string, Placement>();
  for (const name of reader?.keys ?? []) {
    const placement = reader?.child(name);
    if (placement === null || placement === undefined) continue;
    placement.only(['channels', 'groups', 'topics', 'limit'], 'a placement');
    placements.set(name, {
      name,
      channels: placement.names('channels', channels, 'channel'),
      groups: placement.names('groups', groups, 'group'),
      topics: placement.names('topics', topics, 'topic'),
      limit: placement.has('limit') ? placement.number('limit', 1, { min: 1 }) : null,
    });
  }
  return placements;
};

const compileBackfire = (reader: Reader | null): Catalog['backfire'] => {
  reader?.only(['window', 'margin', 'alpha', 'holdout', 'ramp', 'inboundContact'], 'backfire');
  const shares = reader?.child('holdout') ?? null;
  shares?.only(['first', 'last'], 'holdout');
  const share = { min: 0.01, max: 0.5 };
  const holdout = { first: shares?.number('first', 0.2, share) ?? 0.2, last: shares?.number('last', 0.05, share) ?? 0.05 };
  if (holdout.last > holdout.first) shares!.fault('last', 'the share of the hold-out falls: last must not be above first');
  return {
    windowMs: reader?.duration('window', 72 * HOUR_MS) ?? 72 * HOUR_MS,
    margin: reader?.number('margin', 0.01, { min: 0.001, max: 1 }) ?? 0.01,
    alpha: reader?.number('alpha', 0.05, { min: 1e-6, max: 0.5 }) ?? 0.05,
    holdout,
    inboundContact: reader?.number('inboundContact', 0, { min: 0 }) ?? 0,
    ramp: reader?.number('ramp', 500, { min: 1 }) ?? 500,
  };
};

const compileShares = (reader: Reader | null): Catalog['shares'] => {
  if (reader === null) return DEFAULT_SHARES;
  reader.only(['random', 'untouched'], 'shares');
  const unit = { min: 0, max: 1 };
  const shares = {
    random: reader.number('random', DEFAULT_SHARES.random, unit),
    untouched: reader.number('untouched', DEFAULT_SHARES.untouched, unit),
  };
  if (shares.random + shares.untouched > 1) reader.fault(null, 'the shares of random and untouched are more than 1 together');
  return shares;
};
