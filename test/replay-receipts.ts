/** In a process of its own: decides every receipt of a data directory again from log and registry alone, and says how it went. */
import { join } from 'node:path';
import { TOPICS, decisionCodec, modelCodec, type Decision, type Scorer } from '#contracts';
import { compileCatalog, redecide, verifyReceipt, type Catalog } from '#decisioning';
import { openLmdbLog } from '#event-log';
import { compileFeatures, loadFeatureSet, fingerprintOf, openLmdbFeatureStore, viewOfReceipt, type FeatureSet } from '#feature-store';
import { openVersion } from '#models';
import { unpackProject } from '#project';

const dataDir = process.argv[2]!;
const log = await openLmdbLog({ dir: join(dataDir, 'event-log'), partitions: 8 });
const store = await openLmdbFeatureStore({ dir: join(dataDir, 'feature-store'), partitions: 8 });

const read = async <T>(topic: (typeof TOPICS)[keyof typeof TOPICS], decode: (bytes: Buffer) => T): Promise<T[]> => {
  const found: T[] = [];
  for (let partition = 0; partition < log.partitions; partition++)
    for (const record of await log.read(topic, partition, 0, 100_000)) found.push(decode(record.value));
  return found;
};

const catalogs = new Map<string, { catalog: Catalog; featureSet: FeatureSet }>();
const catalogOf = async (version: string) => {
  let known = catalogs.get(version);
  if (known === undefined) {
    const project = unpackProject((await store.blobs.find(`catalog/${version}`))!);
    catalogs.set(version, (known = { catalog: compileCatalog(project), featureSet: compileFeatures(project) }));
  }
  return known;
};

const models = await read(TOPICS.models, (bytes) => modelCodec.decode(bytes));
const scorers = new Map<string, Scorer | null>();
const scorerOf = async ({ loop, modelVersion, modelSnapshot }: Decision): Promise<Scorer | null> => {
  const name = `${loop}/${modelVersion}/${modelSnapshot}`;
  if (!scorers.has(name)) {
    const root = models.find((model) => model.loop === loop && model.version === modelVersion && model.snapshot === 0);
    const kept = models.find((model) => model.loop === loop && model.version === modelVersion && model.snapshot === modelSnapshot);
    const [rootBytes, bytes] = [root && (await store.blobs.get(root.blob)), kept && (await store.blobs.get(kept.blob))];
    scorers.set(name, rootBytes && bytes ? (await openVersion(rootBytes)).open(bytes) : null);
  }
  return scorers.get(name)!;
};

const result = {
  receipts: 0,
  identical: 0,
  sampled: 0,
  found: 0,
  rescored: 0,
  furthest: 0,
  catalogs: 0,
  snapshots: 0,
  faults: [] as string[],
};
const snapshots = new Set<string>();
for (const receipt of await read(TOPICS.decisions, (bytes) => decisionCodec.decode(bytes))) {
  const { catalog, featureSet } = await catalogOf(receipt.catalogVersion);
  await loadFeatureSet(store.blobs, featureSet, receipt.featureSet);
  if (receipt.state.length > 0) await loadFeatureSet(store.blobs, featureSet, fingerprintOf(receipt.state));
  const view = viewOfReceipt(receipt, featureSet);
  const input = { receipt, catalog, view };
  result.receipts++;
  snapshots.add(`${receipt.modelVersion}/${receipt.modelSnapshot}`);
  const faults = verifyReceipt(input);
  const same = JSON.stringify(redecide(input).chosen) === JSON.stringify(receipt.chosen.map((chosen) => ({ ...chosen })));
  if (faults.length === 0 && same) result.identical++;
  else if (result.faults.length < 5) result.faults.push(...faults, same ? '' : 'another choice');

  if (result.receipts % 10 === 0) {
    const state = Buffer.from(receipt.state);
    if (state.length > 0) state[state.length - 1]! ^= 1;
    const [first = 0, ...others] = receipt.propensities;
    for (const altered of [
      { seed: receipt.seed === 0 ? 1 : receipt.seed - 1 },
      { state: state.length > 0 ? state : Buffer.of(1) },
      { propensities: receipt.propensities.length > 0 ? [Math.fround(first + 0.001), ...others] : [0.5] },
    ]) {
      result.sampled++;
      if (verifyReceipt({ ...input, receipt: { ...receipt, ...altered } }).length > 0) result.found++;
    }
  }

  const scorer = receipt.ownCandidates === null ? await scorerOf(receipt) : null;
  const indices = receipt.scored.filter((index) => index >= 0);
  if (scorer !== null && indices.length > 0) {
    const profiles = indices.map((index) => catalog.actions[index]!.profile);
    const out = { propensities: new Float32Array(profiles.length), effectiveN: new Float32Array(profiles.length) };
    const { channel, direction, placement, decidedAt } = receipt;
    scorer.score(
      { view, context: JSON.parse(receipt.context) as object, channel, direction, placement, nowMs: decidedAt } as never,
      profiles,
      out,
    );
    result.rescored++;
    for (const [i, propensity] of out.propensities.entries())
      result.furthest = Math.max(result.furthest, Math.abs(propensity - receipt.propensities[i]!));
  }
}
result.catalogs = catalogs.size;
result.snapshots = snapshots.size;
console.log(JSON.stringify(result));
await store.close();
await log.close();
