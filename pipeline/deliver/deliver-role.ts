/** The role that takes messages which the gate let out to their channels, and writes down what became of them. */
import {
  AttuneError,
  COMMUNICATION_KIND,
  TOPICS,
  UNSAID,
  communicationCodec,
  decisionIdFromBytes,
  decisionIdToBytes,
  parseDecisionId,
  shardOfDecision,
} from '#contracts';
import type { ChannelAdapter, Clock, Communication, CommunicationDocument, DeliveryReceipt } from '#contracts';
import { followControls } from '#event-log';
import type { Consumer, ControlsHolder, EventLog, LogRecord } from '#event-log';
import { applyStep, documentOf, outboxOf, providerKindOf, providerNameOf } from '#feature-store';
import type { FeatureSet, FeatureStore } from '#feature-store';
import type { ChannelDefinition } from '#project';
import type { Logger, Role } from '../role.ts';
import { createLetOut } from './let-out.ts';
import { FIRST_LOOK_MS, createLane } from './channel-lane.ts';
import type { Lane } from './channel-lane.ts';
import { createHealthReporter } from './health-reporter.ts';
import type { HealthReporter } from './health-reporter.ts';
import { createDeliverMetrics } from './deliver-metrics.ts';
import type { DeliverMetrics } from './deliver-metrics.ts';

export interface OpenChannel {
  readonly definition: ChannelDefinition;
  readonly adapter: ChannelAdapter;
}

export interface DeliverRoleDeps {
  readonly log: EventLog;
  readonly store: Pick<FeatureStore, 'documents' | 'states' | 'blobs' | 'leases'>;
  /** Of the project in force. */
  readonly featureSet: () => FeatureSet;
  /** The role closes their adapters. */
  readonly channels: readonly OpenChannel[];
  readonly clock: Clock;
  /** In [0, 1); spreads retries. */
  readonly random: () => number;
  readonly logger: Logger;
  /** How often at most the channels' health is written. Default 1,000. */
  readonly reportMs?: number;
}

export interface DeliverRole extends Role {
  readonly counters: DeliverMetrics;
}

export const createDeliverRole = (deps: DeliverRoleDeps): DeliverRole => {
  const { log, store, channels, clock, logger } = deps;
  const { documents } = store;
  const metrics = createDeliverMetrics();
  const lanes = new Map<string, Lane>();
  const letOut = createLetOut(deps);
  let controls: ControlsHolder | undefined;
  let reporter: HealthReporter | undefined;
  let consumer: Consumer | undefined;

  const isPaused = (channel: string, actionId: string): boolean => {
    const current = controls?.current();
    return (
      current !== undefined &&
      (current.stopOutbound || current.pausedChannels.includes(channel) || current.pausedActions.includes(actionId))
    );
  };

  /** Resolves when the step is in the log; `shown` when it stands in the message's document as well. */
  const append = async (
    document: CommunicationDocument,
    step: Partial<Communication> & Pick<Communication, 'state'>,
  ): Promise<{ readonly shown: Promise<unknown> }> => {
    const communicationId = Buffer.from(document.communicationId, 'hex');
    const decisionId = document.decisionId === null ? null : parseDecisionId(document.decisionId);
    const record: Communication = {
      ...UNSAID,
      communicationId,
      decisionId: decisionId === null ? null : decisionIdToBytes(decisionId),
      customerKey: Buffer.from(document.customerKey, 'hex'),
      channel: document.channel,
      treatmentId: document.treatmentId,
      actionId: document.actionId,
      cause: document.cause,
      at: clock(),
      ...step,
    };
    const shard = shardOfDecision(decisionId ?? decisionIdFromBytes(communicationId));
    await log.append([{ topic: TOPICS.communications, shard, value: communicationCodec.encode(record) }]);
    return { shown: applyStep(documents, record) };
  };

  const read = ({ value }: LogRecord): Communication[] => {
    try {
      return [communicationCodec.decode(value)];
    } catch {
      metrics.unreadable++;
      return [];
    }
  };

  /** The steps of a message in their order, messages side by side: each write waits for the disk, and those that wait together share it. */
  const takeAll = async (records: readonly LogRecord[]): Promise<void> => {
    const messages = Map.groupBy(records.flatMap(read), ({ communicationId }) => communicationId.toString('hex'));
    await Promise.all(
      Array.from(messages.values(), async (steps) => {
        for (const step of steps) await take(step);
      }),
    );
  };

  const take = async (record: Communication): Promise<void> => {
    const lane = lanes.get(record.channel);
    if (record.state !== 'queued') return void (await applyStep(documents, record));
    if (lane === undefined) return;
    const document = await applyStep(documents, record);
    if (document === null || document.state !== 'queued') return;
    const id = document.communicationId;
    const body = Buffer.from(JSON.stringify({ attempt: 0, doubtful: false }));
    const work = { id, customerKey: record.customerKey, state: 'queued', atMs: record.at, dueMs: record.at + FIRST_LOOK_MS, body };
    // Read again after a restart it is there already.
    if ((await documents.put(outboxOf(record.channel), work, null)) !== null) metrics.queued++;
    // State has not committed yet what it has just said.
    setTimeout(() => lane.wake(), FIRST_LOOK_MS).unref();
  };

  const onReceipt = async (receipt: DeliveryReceipt): Promise<void> => {
    metrics.receipts++;
    const id = receipt.communicationId ?? (await idOfProvider(receipt));
    const stored = id === null ? null : await documents.get(COMMUNICATION_KIND, id);
    if (stored === null) {
      metrics.unknownReceipts++;
      // It may be faster than our own record of the send: the peer tells again.
      if ((lanes.get(receipt.channel)?.inHand() ?? 0) > 0)
        throw new AttuneError('deliver.receipt-early', 'not known yet', { retriable: true });
      return;
    }
    const document = documentOf(stored);
    if (document.state === receipt.state || document.state === 'delivered') return;
    const { shown } = await append(document, { state: receipt.state, reasonCode: receipt.reason, at: receipt.atMs });
    await shown;
    metrics[receipt.state]++;
  };

  const idOfProvider = async ({ channel, providerId }: DeliveryReceipt): Promise<string | null> => {
    const named = providerId === null ? null : await documents.get(providerKindOf(channel), providerNameOf(providerId));
    return named === null ? null : named.body.toString('utf8');
  };

  /** So that a receipt, which tells nothing else, finds its message. */
  const rememberProviderId = async (
    { channel, communicationId, customerKey }: CommunicationDocument,
    providerId: string,
  ): Promise<void> => {
    const [kind, id] = [providerKindOf(channel), providerNameOf(providerId)];
    const found = await documents.get(kind, id);
    const write = { id, customerKey: Buffer.from(customerKey, 'hex'), state: 'sent', atMs: clock(), dueMs: null };
    await documents.put(kind, { ...write, body: Buffer.from(communicationId) }, found?.version ?? null);
  };

  for (const { definition, adapter } of channels) {
    const { name } = definition;
    adapter.onReceipt(onReceipt);
    lanes.set(
      name,
      createLane({
        definition,
        adapter,
        documents,
        metrics,
        logger,
        clock,
        random: deps.random,
        letOut,
        isPaused: (actionId) => isPaused(name, actionId),
        async record(document, outcome) {
          const named = outcome.providerId !== null && adapter.confirms ? rememberProviderId(document, outcome.providerId) : null;
          const [recorded] = await Promise.all([append(document, outcome), named]);
          return recorded;
        },
      }),
    );
  }

  return {
    name: 'deliver',
    counters: metrics,
    metrics: () => ({
      ...metrics,
      ...Object.fromEntries([...lanes].map(([name, lane]) => [`up{channel="${name}"}`, lane.down() === null ? 1 : 0])),
    }),
    async start() {
      if (consumer !== undefined) return;
      controls = followControls({ log, onUnreadable: () => metrics.unreadable++ });
      await controls.caughtUp;
      consumer = log.consume({
        group: 'deliver',
        topics: [TOPICS.communications],
        onBatch: ({ records }) => takeAll(records),
        onError(error) {
          metrics.failures++;
          logger.warn({ err: error }, 'messages to deliver come again');
        },
      });
      for (const lane of lanes.values()) lane.start();
      reporter = createHealthReporter({
        channels: channels.map(({ definition }) => ({ definition, lane: lanes.get(definition.name)! })),
        documents,
        controls,
        clock,
        everyMs: deps.reportMs ?? 1_000,
        onError(error) {
          metrics.failures++;
          logger.warn({ err: error }, 'the health of a channel could not be told; it is tried again');
        },
      });
    },
    async stop() {
      if (consumer === undefined) return;
      const stopping = consumer;
      consumer = undefined;
      await reporter?.stop();
      await stopping.stop();
      await Promise.all([...lanes.values()].map((lane) => lane.stop()));
      await Promise.all(channels.map(({ adapter }) => adapter.close()));
      await controls?.stop();
    },
  };
};
