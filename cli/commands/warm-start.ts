/** `attune warm-start FILE`: a model that has learned somebody's historical log before its first decision here, as a challenger, or as the champion where there is none. */
import { statSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Type } from 'typebox';
import { AttuneError, hash32 } from '#contracts';
import type { ActionProfile } from '#contracts';
import { compileCatalog } from '#decisioning';
import { compileFeatures } from '#feature-store';
import { compileEncoder, createLearner, genericEncoder } from '#models';
import { createProgressLines, hashOfFile, listModels, openSource, planHistory, publishVersion, warmStart } from '#pipeline';
import type { HistoryDeps, HistoryMapping } from '#pipeline';
import { loadProject, personalNamesOf } from '#project';
import type { Config } from '../config.ts';
import { openStores } from '../open-stores.ts';
import { appointChampion } from '../promotion/appoint.ts';
import { readYamlFile } from '../read-yaml-file.ts';

const Column = Type.Optional(Type.String({ minLength: 1 }));
const MappingSchema = Type.Object(
  {
    action: Column,
    reward: Column,
    probability: Column,
    time: Column,
    channel: Column,
    columns: Type.Optional(Type.Record(Type.String(), Type.String())),
    ignore: Type.Optional(Type.Array(Type.String())),
  },
  { additionalProperties: false },
);

const SHOWN_FAULTS = 10;

export const warmStartCommand = async (config: Config, args: readonly string[]): Promise<void> => {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      loop: { type: 'string', default: '' },
      map: { type: 'string' },
      at: { type: 'string' },
      delimiter: { type: 'string' },
      cap: { type: 'string', default: '10' },
      'max-faults': { type: 'string', default: '0' },
      'dry-run': { type: 'boolean', default: false },
    },
  });
  const [file, ...rest] = positionals;
  if (file === undefined || rest.length > 0)
    throw new AttuneError('config.invalid', 'attune warm-start takes one file: FILE.csv, FILE.parquet or FILE.jsonl');
  const path = resolve(file);
  const { loop } = values;
  const mapping: HistoryMapping =
    values.map === undefined
      ? {}
      : readYamlFile(values.map, MappingSchema, 'mapping (action, reward, probability, time, channel, columns, ignore)');
  const source = await openSource(path, values.delimiter === '\\t' ? '\t' : (values.delimiter ?? null));
  const fileHash = await hashOfFile(path);
  // The same file for the same loop in the same words makes the same version, and a version is published once.
  const seed = hash32(JSON.stringify([fileHash, loop, mapping, values.cap, values.at ?? null]));
  const project = loadProject(config.catalogDir);
  const personal = personalNamesOf(project);
  const planned = planHistory(source.columns, mapping);
  // What no model may see while it serves is not learned here (law 7).
  const plan = { ...planned, known: planned.known.filter(({ name }) => !personal.has(name)) };
  const learner = createLearner({ loop, encoder: loop === '' ? compileEncoder(project) : genericEncoder(), seed });
  const stores = await openStores(config);
  try {
    const before = (await listModels(stores.log)).find((model) => model.loop === loop && model.version === learner.version);
    if (before !== undefined) {
      console.log(`${basename(path)} was learned before: model ${before.version} is a ${before.role}`);
      return;
    }
    let faults = 0;
    const taught = await warmStart({
      source,
      plan,
      learner,
      fileHash,
      atMs: values.at === undefined ? Math.floor(statSync(path).mtimeMs) : timeOf(values.at),
      ...wordsOf(project, loop),
      cap: numberOf('cap', values.cap, 1),
      mostFaults: numberOf('max-faults', values['max-faults'], 0),
      onFault(line, why) {
        if (++faults <= SHOWN_FAULTS) console.error(`${path}:${line} ${why}`);
      },
      onProgress: createProgressLines({ print: console.log }),
    });
    const { versionBlob } = learner.publish();
    const count = (n: number): string => n.toLocaleString('en');
    console.log(
      `${count(taught.rows)} rows of ${taught.actions} actions learned${taught.isWeighted ? `, by their probabilities ${count(taught.taught)} times` : ''}; mean reward ${taught.meanReward.toPrecision(4)}; ${count(taught.refused)} refused`,
    );
    if (values['dry-run']) return;
    const note = `attune warm-start: ${basename(path)}, ${count(taught.rows)} rows decided elsewhere`;
    const hasChampion = (await listModels(stores.log)).some((model) => model.loop === loop && model.role === 'champion');
    await publishVersion(
      { log: stores.log, blobs: stores.store.blobs, clock: Date.now },
      {
        loop,
        version: learner.version,
        versionBlob,
        posterior: learner.checkpoint(),
        // It holds none of the decisions that were made here.
        posteriorUntilMs: 0,
        experiences: learner.experiences,
        report: null,
        note,
      },
    );
    if (!hasChampion) await appointChampion(stores, { loop, version: learner.version, note });
    console.log(
      hasChampion
        ? `model ${learner.version} is a challenger: attune promote ${learner.version}${loop === '' ? '' : ` --loop ${loop}`} when decisions prove it`
        : `model ${learner.version} is the champion of loop "${loop}", which had none`,
    );
  } finally {
    await stores.close();
  }
};

/** What the encoder of the loop tells apart. */
const wordsOf = (
  project: ReturnType<typeof loadProject>,
  loop: string,
): Pick<HistoryDeps, 'profileOf' | 'features' | 'isAttribute' | 'learnsRates'> => {
  if (loop !== '') {
    const profiles = new Map<string, ActionProfile>();
    const profileOf = (id: string): ActionProfile => {
      const profile = profiles.get(id) ?? { id, features: {} };
      profiles.set(id, profile);
      return profile;
    };
    return { profileOf, features: { names: [], defaults: [], fingerprint: '' }, isAttribute: () => false, learnsRates: false };
  }
  const profiles = new Map(compileCatalog(project).actions.map((action) => [action.id, action.profile]));
  const featureSet = compileFeatures(project);
  const attributes = new Set(featureSet.attributes.map(({ name }) => name));
  return {
    profileOf: (id) => profiles.get(id) ?? null,
    features: featureSet,
    isAttribute: (name) => attributes.has(name),
    learnsRates: true,
  };
};

const numberOf = (name: string, text: string, least: number): number => {
  const value = Number(text);
  if (Number.isFinite(value) && value >= least) return value;
  throw new AttuneError('config.invalid', `--${name} must be a number from ${least} on, not '${text}'`);
};

const timeOf = (text: string): number => {
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw new AttuneError('config.invalid', `--at must be a date as in 2026-11-25T10:00:00Z, not '${text}'`);
  return ms;
};
