/**
 * Tells of the channels' health: a document a channel for people, and the controls' `downChannels` for decisions.
 *
 * Every process that delivers has a circuit breaker of its own. The first that opens lists the channel as down. Whoever finds a channel
 * listed that is not down here asks its peer, so that a channel is not avoided for ever after the process that listed it has died.
 */
import { CHANNEL_KIND, MACHINE_ACTOR } from '#contracts';
import type { ChannelDocument, Clock, Control } from '#contracts';
import type { ControlsHolder } from '#event-log';
import { outboxOf } from '#feature-store';
import type { Documents } from '#feature-store';
import type { ChannelDefinition } from '#project';
import type { Lane } from './channel-lane.ts';

export interface ReportedChannel {
  readonly definition: ChannelDefinition;
  readonly lane: Pick<Lane, 'down' | 'check'>;
}

export interface HealthReporterDeps {
  readonly channels: readonly ReportedChannel[];
  readonly documents: Documents;
  /** Caught up. */
  readonly controls: ControlsHolder;
  readonly clock: Clock;
  /** Each channel's health is written at most so often, and only where it changed. */
  readonly everyMs: number;
  readonly onError: (error: unknown) => void;
}

export interface HealthReporter {
  /** Safe to call twice. What is listed as down stays listed: the next process asks. */
  stop(): Promise<void>;
}

/** How long a peer that another process has found down is left alone between two questions. */
const ASK_AGAIN_MS = 5_000;

export const createHealthReporter = (deps: HealthReporterDeps): HealthReporter => {
  let isStopped = false;
  let timer: NodeJS.Timeout | undefined;
  const reports = deps.channels.map((channel) => createReport(deps, channel));

  const tick = async (): Promise<void> => {
    await Promise.all(reports.map((report) => report().catch(deps.onError)));
    if (!isStopped) timer = setTimeout(run, deps.everyMs);
  };
  let running: Promise<void> = Promise.resolve();
  const run = (): void => void (running = tick());
  run();

  return {
    async stop() {
      isStopped = true;
      clearTimeout(timer);
      await running;
    },
  };
};

const createReport = (deps: HealthReporterDeps, { definition, lane }: ReportedChannel): (() => Promise<void>) => {
  const { documents, controls, clock } = deps;
  const { name } = definition;
  let isTold = false;
  let askAfterMs = 0;

  const tellControls = async (): Promise<void> => {
    const down = lane.down();
    const isListed = controls.current().downChannels.includes(name);
    if (down !== null) {
      // Told once: where another process reaches the peer, it is right to take the channel off the list.
      if (!isTold && !isListed) await controls.change((current) => withDown(current, name, down, clock()));
      isTold = true;
      return;
    }
    if (isListed && (isTold || (await answers()))) await controls.change((current) => withoutDown(current, name, clock()));
    isTold = false;
  };

  const answers = async (): Promise<boolean> => {
    if (clock() < askAfterMs) return false;
    askAfterMs = clock() + ASK_AGAIN_MS;
    return lane.check().then(
      () => true,
      () => false,
    );
  };

  const write = async (): Promise<void> => {
    const stored = await documents.get(CHANNEL_KIND, name);
    const before = stored === null ? null : (JSON.parse(stored.body.toString('utf8')) as ChannelDocument);
    const isDown = lane.down() !== null || controls.current().downChannels.includes(name);
    const state = isDown ? 'down' : 'up';
    const { total: queued } = await documents.list(outboxOf(name), { limit: 1 });
    const document: ChannelDocument = {
      channel: name,
      adapter: definition.settings.adapter,
      state,
      since: before?.state === state ? before.since : clock(),
      reason: isDown ? (lane.down() ?? before?.reason ?? null) : null,
      queued,
      perSecond: definition.perSecond,
    };
    const text = JSON.stringify(document);
    if (text === stored?.body.toString('utf8')) return;
    const place = { id: name, customerKey: null, state, atMs: stored?.atMs ?? clock(), dueMs: null };
    // Null: another process was faster; next time its word is read.
    await documents.put(CHANNEL_KIND, { ...place, body: Buffer.from(text) }, stored?.version ?? null);
  };

  return async () => {
    await tellControls();
    await write();
  };
};

const withDown = (current: Control, name: string, why: string, at: number): Omit<Control, 'version'> | null =>
  current.downChannels.includes(name)
    ? null
    : {
        ...current,
        actor: MACHINE_ACTOR,
        reason: `channel ${name} is down: ${why}`.slice(0, 500),
        at,
        downChannels: [...current.downChannels, name],
      };

const withoutDown = (current: Control, name: string, at: number): Omit<Control, 'version'> | null =>
  current.downChannels.includes(name)
    ? {
        ...current,
        actor: MACHINE_ACTOR,
        reason: `channel ${name} is up again`,
        at,
        downChannels: current.downChannels.filter((other) => other !== name),
      }
    : null;
