/** `attune decide`: decisions for many customers into a file, at a stated rate; nothing is sent, and outcomes may name them. */
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { AttuneError, createCustomerKey, within } from '#contracts';
import type { CustomerKey } from '#contracts';
import { compileCatalog, compileSegments, compileSegmentWhen, isIn } from '#decisioning';
import type { Catalog, Segment } from '#decisioning';
import { followControls } from '#event-log';
import { compileFeatures, publishFeatureSet } from '#feature-store';
import { causeOfBatch, decideBatch, findMembers } from '#pipeline';
import type { BatchPerson, BatchQuestion } from '#pipeline';
import { ConditionError, loadProject, packProject } from '#project';
import type { Project } from '#project';
import { followModels } from '#serving';
import { openAnswerFile } from '../batch/answer-file.ts';
import { peopleOfFile, peopleOfScan } from '../batch/batch-people.ts';
import type { Config } from '../config.ts';
import { openIdKey } from '../id-key.ts';
import { openStores } from '../open-stores.ts';
import type { Stores } from '../open-stores.ts';

const PATIENCE_MS = 10_000;

export const decide = async (config: Config, args: readonly string[]): Promise<void> => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      segment: { type: 'string' },
      when: { type: 'string' },
      customers: { type: 'string' },
      out: { type: 'string' },
      channel: { type: 'string' },
      direction: { type: 'string' },
      limit: { type: 'string', default: '1' },
      'per-second': { type: 'string', default: '200' },
    },
  });
  const { segment: segmentId, when, customers, out } = values;
  if (out === undefined) throw new AttuneError('config.invalid', 'attune decide writes into a file: --out FILE.ndjson or FILE.csv');
  if (segmentId === undefined && when === undefined && customers === undefined)
    throw new AttuneError(
      'config.invalid',
      'attune decide needs --segment ID, --when CONDITION or --customers FILE; all that are given must hold',
    );
  const project = loadProject(config.catalogDir);
  const catalog = compileCatalog(project);
  const segment = segmentId === undefined ? null : segmentOf(project, catalog, segmentId);
  const conditions = [...(segment === null ? [] : [segment]), ...(when === undefined ? [] : [conditionOf(project, when)])];
  const isMember = (view: Parameters<typeof isIn>[1]): boolean => conditions.every((one) => isIn(one, view));
  const question = questionOf(catalog, segment, values);
  const perSecond = numberOf('per-second', values['per-second'], 0.01);
  const featureSet = compileFeatures(project);

  const interrupted = new AbortController();
  const onSignal = (): void => interrupted.abort();
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  const isOver = (): boolean => interrupted.signal.aborted;
  const stores = await openStores(config);
  const deciding = await openDeciding(stores);
  const file = await openAnswerFile(out);
  try {
    await keepProject(stores, project);
    const known = new Set(file.known);
    if (known.size > 0) console.log(`${out} has ${words(known.size)} customers already; it goes on after them`);
    const nowMs = Date.now();
    const people: AsyncIterable<BatchPerson> | Iterable<BatchPerson> =
      customers === undefined
        ? peopleOfScan(await findMembers({ store: stores.store, featureSet, isMember, nowMs, isOver }), known)
        : peopleOfFile(customers, createCustomerKey(openIdKey(config)), known);
    const beganMs = performance.now();
    let written = 0;
    let toldMs = beganMs;
    const counts = await decideBatch(
      {
        ...stores,
        ...deciding,
        catalog,
        featureSet,
        clock: Date.now,
        random: Math.random,
        sleep: delay,
        question,
        perSecond,
        isMember,
        isOver,
      },
      people,
      async (answers) => {
        await file.write(answers);
        written += answers.length;
        if (performance.now() - toldMs < TELL_MS) return;
        toldMs = performance.now();
        console.log(`${words(written)} decided, ${rateOf(written, beganMs)} a second`);
      },
    );
    const { decided, nothing, others } = counts;
    console.log(
      `${words(decided)} decided at ${rateOf(decided, beganMs)} a second (at most ${perSecond}), nothing for ${words(nothing)} of them${others > 0 ? `; ${words(others)} do not belong` : ''}: ${out}`,
    );
    if (isOver()) console.log('interrupted; the same command goes on from here');
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
    await file.close();
    await deciding.stop();
    await stores.close();
  }
};

const TELL_MS = 10_000;

/** Controls and models as the log has them: nobody is decided for before they are known. */
const openDeciding = async ({ log, store }: Stores) => {
  const fault = (error: unknown): void => console.error(`attune decide: ${(error as Error).message}`);
  const controls = followControls({ log, onUnreadable: fault });
  const openVersion = async (bytes: Uint8Array) => (await import('#models')).openVersion(bytes);
  const models = followModels({ log, blobs: store.blobs, openVersion, onFault: fault });
  controls.onChange((control) => models.control(control));
  const stop = async (): Promise<void> => {
    await Promise.all([controls.stop(), models.stop()]);
  };
  const ready = Promise.all([controls.caughtUp, models.caughtUp]).then(() => models.settled());
  if (
    await within(
      PATIENCE_MS,
      ready.then(() => true),
      false,
    )
  )
    return { scorer: (key: CustomerKey) => models.scorer('', key), controls: () => controls.current(), stop };
  await stop();
  throw new AttuneError('event-log.slow', `controls and models could not be read within ${PATIENCE_MS / 1_000} s`, { retriable: true });
};

/** A receipt names the catalog and the features that it was made with. */
const keepProject = async ({ store: { blobs } }: Stores, project: Project): Promise<void> => {
  const name = `catalog/${project.version}`;
  if ((await blobs.find(name)) === null) await blobs.put(packProject(project), name);
  await publishFeatureSet(blobs, compileFeatures(project));
};

const segmentOf = (project: Project, catalog: Catalog, id: string): Segment => {
  const { byId } = compileSegments(project, catalog);
  const segment = byId.get(id);
  if (segment !== undefined) return segment;
  throw new AttuneError('config.invalid', `--segment: there is no segment '${id}' (${[...byId.keys()].join(', ')})`);
};

const conditionOf = (project: Project, when: string): Pick<Segment, 'holds'> => {
  try {
    return compileSegmentWhen(project, when);
  } catch (cause) {
    if (cause instanceof ConditionError || cause instanceof RangeError)
      throw new AttuneError('config.invalid', `--when: ${cause.message}`, { cause });
    throw cause;
  }
};

/** The segment's, where nothing else is said. */
const questionOf = (
  catalog: Catalog,
  segment: Segment | null,
  given: { readonly channel?: string | undefined; readonly direction?: string | undefined; readonly limit: string },
): BatchQuestion => {
  const name = given.channel ?? segment?.channel ?? undefined;
  if (name === undefined) throw new AttuneError('config.invalid', '--channel is needed: which one are the decisions for?');
  const channel = catalog.channels.get(name);
  if (channel === undefined)
    throw new AttuneError('config.invalid', `--channel: there is no '${name}' (${[...catalog.channels.keys()].join(', ')})`);
  const direction = given.direction ?? (channel.directions.includes('outbound') ? 'outbound' : 'inbound');
  if (direction !== 'inbound' && direction !== 'outbound') throw new AttuneError('config.invalid', '--direction is inbound or outbound');
  if (!channel.directions.includes(direction))
    throw new AttuneError('config.invalid', `--direction: the channel '${name}' is ${channel.directions.join(' and ')} only`);
  return {
    channel: name,
    direction,
    limit: Math.floor(numberOf('limit', given.limit, 1)),
    scope: segment?.scope ?? null,
    context: segment?.context ?? {},
    cause: causeOfBatch(segment?.id ?? null),
  };
};

const numberOf = (name: string, text: string, least: number): number => {
  const value = Number(text);
  if (Number.isFinite(value) && value >= least) return value;
  throw new AttuneError('config.invalid', `--${name} must be a number from ${least} on, not '${text}'`);
};

const words = (n: number): string => n.toLocaleString('en');
const rateOf = (n: number, sinceMs: number): string => (n / Math.max(0.001, (performance.now() - sinceMs) / 1_000)).toFixed(n > 0 ? 1 : 0);
