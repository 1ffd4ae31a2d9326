/** GET /v1/channels: which channels deliver, which are down and why, and who paused one. */
import type { FastifyInstance } from 'fastify';
import { CHANNEL_KIND, type ChannelDocument, type Control } from '#contracts';
import type { ServingContext } from '../context.ts';
import { ChannelsAnswer } from '../schemas/channels.ts';
import { problems } from '../schemas/common.ts';

export const addChannelsRoute = (app: FastifyInstance, context: ServingContext): void => {
  const { catalog, controls, store } = context;

  app.get(
    '/v1/channels',
    {
      onRequest: context.authorise('read'),
      schema: {
        tags: ['operate'],
        summary: 'The channels: up, down or paused, and why',
        description: 'Health is told by the role `deliver`, within a second. Pause and resume a channel by PUT /v1/controls.',
        response: { 200: ChannelsAnswer, ...problems },
      },
    },
    async (): Promise<ChannelsAnswer> => {
      const { catalog: actions, channels } = catalog.current();
      const control = controls.current();
      const answers = [...actions.channels.keys()].map(async (name) => {
        const definition = channels.channels.get(name);
        const stored = definition === undefined ? null : await store.documents.get(CHANNEL_KIND, name);
        const health = stored === null ? null : (JSON.parse(stored.body.toString('utf8')) as ChannelDocument);
        return {
          channel: name,
          adapter: definition?.settings.adapter ?? null,
          state: control.downChannels.includes(name) ? ('down' as const) : (health?.state ?? null),
          since: health === null ? null : new Date(health.since).toISOString(),
          reason: health?.reason ?? null,
          queued: health?.queued ?? null,
          perSecond: definition?.perSecond ?? null,
          paused: pauseOf(control, name),
        };
      });
      return { stopOutbound: control.stopOutbound, channels: await Promise.all(answers) };
    },
  );
};

type Pause = ChannelsAnswer['channels'][number]['paused'];

/** What was paused before notices were kept has none. */
const pauseOf = ({ pausedChannels, notices }: Control, channel: string): Pause => {
  if (!pausedChannels.includes(channel)) return null;
  const notice = notices.find(({ kind, name }) => kind === 'channel' && name === channel);
  return notice === undefined
    ? { by: null, reason: null, at: null }
    : { by: notice.by, reason: notice.reason, at: new Date(notice.at).toISOString() };
};
