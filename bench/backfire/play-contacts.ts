/** An outbound action in virtual time: decided, held out, contacted, matured after its window and judged, until it is paused or enough has matured. */
import { HOUR_MS, MINUTE_MS, UNKNOWN_CUSTOMER } from '#contracts';
import { compileCatalog, decide } from '#decisioning';
import { addTrial, backfireBounds, guardVerdict } from '#models/backfire';
import type { BackfireBounds, BackfireCounts, BackfireTrial, GuardVerdict } from '#models/backfire';
import { createUniformState, nextUniform, seedUniform } from '#models/exploration';
import { createProject } from '#project';

export interface ContactWorld {
  readonly seed: number;
  /** P(a customer who is not contacted comes to us within the window). */
  readonly base: number;
  /** P(one who is contacted does). */
  readonly contacted: number;
  /** Ends here, if it is not paused before. */
  readonly maturedContacts: number;
}

export interface ContactRun {
  /** Contacts that had matured when it was paused; null: it was not. */
  readonly pausedAt: number | null;
  /** One a look. */
  readonly looks: readonly (BackfireBounds & GuardVerdict)[];
  /** Most of the contacted whose windows were open at once. */
  readonly mostOpen: number;
  /** Contacted in all, and of these the ones whom a pause came too late for. */
  readonly contacts: number;
}

const START_MS = Date.UTC(2026, 0, 1);
/** A customer of its own each time. */
const DECIDES_EVERY_MS = MINUTE_MS;
const LOOKS_EVERY_MS = 10 * MINUTE_MS;

const catalog = compileCatalog(
  createProject(
    new Map([
      ['project.yaml', 'name: backfire\nchannels:\n  sms: { directions: [outbound] }\ngroups: { care: {} }\ntopics: [plan]\n'],
      [
        'actions/a.yaml',
        'actions:\n  - { id: reach-out, name: r, group: care, topic: plan, value: 10, treatments: [{ channel: sms, direction: outbound, content: { body: T } }] }\n',
      ],
      ['policies.yaml', 'none: { priority: 0.1 }\n'],
    ]),
  ),
);
const SETTINGS = catalog.backfire;

interface OpenTrial extends Pick<BackfireTrial, 'share' | 'arm'> {
  readonly endMs: number;
}

export const playContacts = ({ seed, base, contacted, maturedContacts }: ContactWorld): ContactRun => {
  const uniforms = createUniformState();
  seedUniform(uniforms, seed);
  const open: OpenTrial[] = [];
  let openFrom = 0;
  let counts: BackfireCounts = [];
  let openContacts = 0;
  const run = { pausedAt: null as number | null, looks: [] as (BackfireBounds & GuardVerdict)[], mostOpen: 0, contacts: 0 };
  let judged = judge(counts);
  for (let nowMs = START_MS; judged.contacted < maturedContacts; nowMs += DECIDES_EVERY_MS) {
    for (let trial; (trial = open[openFrom]) !== undefined && trial.endMs <= nowMs; openFrom++) {
      if (trial.arm === 'contacted') openContacts--;
      counts = addTrial(counts, { ...trial, inbound: nextUniform(uniforms) < (trial.arm === 'contacted' ? contacted : base) });
    }
    if ((nowMs - START_MS) % LOOKS_EVERY_MS === 0) {
      judged = judge(counts);
      run.looks.push(judged);
      if (judged.pause) return { ...run, pausedAt: judged.contacted };
    }
    // A trial of the hold-out takes a place of the ramp too, so that a full one holds up both arms alike.
    if (judged.ramp !== null && open.length - openFrom >= judged.ramp) continue;
    const arm = draw(judged.share, Math.floor(nextUniform(uniforms) * 2 ** 53), nowMs);
    if (arm === null) continue;
    open.push({ share: judged.share, arm, endMs: nowMs + SETTINGS.windowMs });
    if (arm !== 'contacted') continue;
    run.contacts++;
    run.mostOpen = Math.max(run.mostOpen, ++openContacts);
  }
  return run;
};

const judge = (counts: BackfireCounts): BackfireBounds & GuardVerdict => {
  const bounds = backfireBounds(counts, SETTINGS.alpha);
  return { ...bounds, ...guardVerdict(bounds, SETTINGS) };
};

/** Null: nothing was chosen. */
const draw = (share: number, seed: number, nowMs: number): BackfireTrial['arm'] | null => {
  const verdict = decide({
    catalog,
    view: { ...UNKNOWN_CUSTOMER, known: true },
    scorer: null,
    controls: null,
    holdouts: new Map([['reach-out', share]]),
    channel: 'sms',
    direction: 'outbound',
    placement: null,
    limit: 1,
    context: {},
    nowMs,
    seed,
    group: 'model',
  });
  return verdict.chosen.length > 0 ? 'contacted' : verdict.heldOut >= 0 ? 'heldOut' : null;
};

export const WINDOW_HOURS = SETTINGS.windowMs / HOUR_MS;
export const MARGIN = SETTINGS.margin;
