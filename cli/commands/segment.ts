/** `attune segment`: what segments there are, how many customers belong to one, and the order to run, stop or resume it. */
import { parseArgs } from 'node:util';
import { AttuneError, within } from '#contracts';
import type { SegmentOrder } from '#contracts';
import { compileCatalog, compileSegments, isIn, nextDue } from '#decisioning';
import type { Segment, Segments } from '#decisioning';
import { followControls } from '#event-log';
import { compileFeatures, createControlsKeeper } from '#feature-store';
import { findMembers, readSegmentDocuments } from '#pipeline';
import type { SegmentDocument } from '#pipeline';
import { loadProject } from '#project';
import type { Config } from '../config.ts';
import { openStores } from '../open-stores.ts';
import type { Stores } from '../open-stores.ts';

const ORDERS = { run: 'a run was ordered', stop: 'it is stopped', resume: 'its schedule goes on' } as const;

export const segment = async (config: Config, args: readonly string[]): Promise<void> => {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      actor: { type: 'string', default: process.env['USER'] ?? 'attune segment' },
      reason: { type: 'string', default: '' },
    },
  });
  const [what = 'list', id, ...rest] = positionals;
  if (rest.length > 0) throw new AttuneError('config.invalid', `attune segment ${what} takes one segment, not ${rest.length + 1}`);
  const project = loadProject(config.catalogDir);
  const segments = compileSegments(project, compileCatalog(project));
  const stores = await openStores(config);
  try {
    if (what === 'list') return await list(stores, segments);
    if (what === 'count') {
      const one = segmentOf(segments, id);
      const options = { store: stores.store, featureSet: compileFeatures(project), nowMs: Date.now() };
      const { count, customers } = await findMembers({ ...options, isMember: (view) => isIn(one, view) });
      return console.log(
        `${words(count)} of ${words(customers)} customers belong to ${one.id}: ${durationOf(count / one.perSecond)} at ${one.perSecond} a second`,
      );
    }
    if (!(what in ORDERS)) throw new AttuneError('config.invalid', `attune segment knows list, count, run, stop and resume, not '${what}'`);
    const { id: segmentId } = segmentOf(segments, id);
    await give(stores, { segmentId, order: what as SegmentOrder['order'], by: values.actor, reason: values.reason, at: Date.now() });
    console.log(`${segmentId}: ${ORDERS[what as SegmentOrder['order']]}; the pipeline's role segments follows within 2 s`);
  } finally {
    await stores.close();
  }
};

const segmentOf = ({ byId }: Segments, id: string | undefined): Segment => {
  const found = byId.get(id ?? '');
  if (found !== undefined) return found;
  const known = byId.size === 0 ? 'segments.yaml names none' : `there are ${[...byId.keys()].join(', ')}`;
  throw new AttuneError('config.invalid', id === undefined ? `of which segment? ${known}` : `there is no segment '${id}'; ${known}`);
};

/** All processes get it from the log, as any change of the controls. */
const give = async ({ log, store }: Stores, order: SegmentOrder): Promise<void> => {
  const fault = (error: unknown): void => console.error(`attune segment: ${(error as Error).message}`);
  const controls = followControls({ log, onUnreadable: fault });
  try {
    if (
      !(await within(
        PATIENCE_MS,
        controls.caughtUp.then(() => true),
        false,
      ))
    )
      throw new AttuneError('event-log.slow', `the controls could not be read within ${PATIENCE_MS / 1_000} s`, { retriable: true });
    const { by, reason, at, segmentId } = order;
    const control = await controls.change((current) => ({
      ...current,
      actor: by,
      reason,
      at,
      segmentOrders: [...current.segmentOrders.filter((other) => other.segmentId !== segmentId), order],
    }));
    await createControlsKeeper(store.blobs, fault)(control);
  } finally {
    await controls.stop();
  }
};

const PATIENCE_MS = 10_000;

const list = async ({ store }: Stores, { all }: Segments): Promise<void> => {
  const documents = new Map((await readSegmentDocuments(store.documents)).map((document) => [document.segmentId, document]));
  if (all.length === 0) console.log('segments.yaml names no segment');
  for (const one of all) console.log(`${one.id.padEnd(24)} ${lastOf(documents.get(one.id))}; ${nextOf(one)}`);
};

const lastOf = (document: SegmentDocument | undefined): string => {
  const run = document?.run ?? null;
  if (run === null) return 'no run yet';
  const of = run.members === null ? '' : ` of ${words(run.members)}`;
  return `${run.state === 'running' ? 'running' : `last run ${run.state}`}: ${timeOf(run.runAtMs)} by ${run.by}, ${words(run.turns)}${of} customers`;
};

const nextOf = ({ schedule }: Segment): string => (schedule === null ? 'by order only' : `next ${timeOf(nextDue(schedule, Date.now()))}`);

const words = (n: number): string => n.toLocaleString('en');
const timeOf = (ms: number): string => `${new Date(ms).toISOString().slice(0, 16)}Z`;
const durationOf = (seconds: number): string => {
  if (seconds < 120) return `${Math.ceil(seconds)} s`;
  return seconds < 7_200 ? `${Math.ceil(seconds / 60)} min` : `${(seconds / 3_600).toFixed(1)} h`;
};
