/** GET and PUT /v1/controls: the operators' controls, with who and why. */
import type { FastifyInstance } from 'fastify';
import { AttuneError, MACHINE_ACTOR, type Control, type Notice, type StagedModel } from '#contracts';
import type { ServingContext } from '../context.ts';
import { ProblemError, fieldFault, notDurable } from '../errors/problem.ts';
import { ControlsAnswer, ControlsRequest } from '../schemas/controls.ts';
import { problems } from '../schemas/common.ts';

export const addControlsRoutes = (app: FastifyInstance, context: ServingContext): void => {
  const { controls, keepControls, clock } = context;

  app.get(
    '/v1/controls',
    {
      onRequest: context.authorise('read'),
      schema: { tags: ['operate'], summary: 'The controls in force', response: { 200: ControlsAnswer, ...problems } },
    },
    async () => answerOf(controls.current()),
  );

  app.put<{ Body: ControlsRequest }>(
    '/v1/controls',
    {
      onRequest: context.authorise('admin'),
      schema: {
        tags: ['operate'],
        summary: 'Change the controls; in force everywhere within 2 s',
        description:
          'Fields left out stay as they are. With `version` the change is refused (409) when another is in force. `notices`, ' +
          '`downChannels`, `holdouts` and `segmentOrders` are only shown: who pauses leaves a notice, who resumes removes it.',
        body: ControlsRequest,
        response: { 200: ControlsAnswer, ...problems },
      },
    },
    async (request) => {
      if (request.body.actor === MACHINE_ACTOR) throw fieldFault('actor', `"${MACHINE_ACTOR}" is who acts when no person does`);
      try {
        const control = await controls.change((current) => {
          const next = changed(current, request.body, clock());
          refuseUnknown(next, request.body, context);
          return next;
        });
        await keepControls(control);
        return answerOf(control);
      } catch (error) {
        throw error instanceof AttuneError && error.code === 'controls.unseen' ? notDurable(error.message) : error;
      }
    },
  );
};

const changed = (current: Control, body: ControlsRequest, nowMs: number): Omit<Control, 'version'> => {
  if (body.version !== undefined && body.version !== current.version) {
    throw new ProblemError(409, 'conflict', `version ${current.version} is in force, not ${body.version}`, [
      { field: 'version', message: `is now ${current.version}` },
    ]);
  }
  const pausedActions = body.pausedActions ?? current.pausedActions;
  const pausedChannels = body.pausedChannels ?? current.pausedChannels;
  const by = { by: body.actor, reason: body.reason, at: nowMs };
  return {
    ...current,
    actor: body.actor,
    reason: body.reason,
    at: nowMs,
    stopOutbound: body.stopOutbound ?? current.stopOutbound,
    pausedActions,
    pausedChannels,
    notices: [...noticesOf('action', pausedActions, current, by), ...noticesOf('channel', pausedChannels, current, by)],
    explorationOff: body.explorationOff ?? current.explorationOff,
    pinnedModel: body.pinnedModel === undefined ? current.pinnedModel : body.pinnedModel,
    staged: body.staged ?? current.staged,
  };
};

/** What stays paused keeps its notice, what is newly paused gets one, what is resumed has none. */
const noticesOf = (
  kind: Notice['kind'],
  paused: readonly string[],
  current: Control,
  by: Pick<Notice, 'by' | 'reason' | 'at'>,
): readonly Notice[] => {
  const before = kind === 'action' ? current.pausedActions : current.pausedChannels;
  return paused.flatMap((name) => {
    const known = current.notices.filter((notice) => notice.kind === kind && notice.name === name);
    return known.length > 0 || before.includes(name) ? known : [{ kind, name, ...by }];
  });
};

/** A name that nobody knows would control nothing, and no one would notice. */
const refuseUnknown = (next: Pick<Control, 'pinnedModel'>, body: ControlsRequest, context: ServingContext): void => {
  const { catalog } = context.catalog.current();
  for (const [index, id] of (body.pausedActions ?? []).entries()) {
    if (!catalog.indexOf.has(id)) throw fieldFault(`pausedActions.${index}`, `"${id}" is not an action of the catalog`);
  }
  const { channels } = catalog;
  for (const [index, channel] of (body.pausedChannels ?? []).entries()) {
    if (!channels.has(channel))
      throw fieldFault(`pausedChannels.${index}`, `"${channel}" is not a channel of the catalog (${[...channels.keys()].join(', ')})`);
  }
  if (typeof body.pinnedModel === 'string' && !context.models.records().some((record) => record.version === next.pinnedModel)) {
    throw fieldFault('pinnedModel', `"${body.pinnedModel}" is not a model version; see GET /v1/models`);
  }
  refuseUnstageable(body.staged ?? [], context);
};

const refuseUnstageable = (staged: readonly StagedModel[], { models }: ServingContext): void => {
  const shares = new Map<string, number>();
  for (const [index, { version, share }] of staged.entries()) {
    const record = models.records().find((known) => known.version === version);
    if (record?.role !== 'challenger')
      throw fieldFault(
        `staged.${index}.version`,
        `"${version}" is ${record === undefined ? 'not a model version' : `the ${record.role}`}, not a challenger; see GET /v1/models`,
      );
    const sum = (shares.get(record.loop) ?? 0) + share;
    if (sum > 1) throw fieldFault(`staged.${index}.share`, `the challengers of loop "${record.loop}" would have ${sum} of the customers`);
    shares.set(record.loop, sum);
  }
};

const answerOf = (control: Control): ControlsAnswer => ({
  ...control,
  at: control.at === 0 ? null : new Date(control.at).toISOString(),
  pausedActions: [...control.pausedActions],
  pausedChannels: [...control.pausedChannels],
  staged: [...control.staged],
  notices: control.notices.map((notice) => ({ ...notice, at: new Date(notice.at).toISOString() })),
  downChannels: [...control.downChannels],
  holdouts: [...control.holdouts],
  segmentOrders: control.segmentOrders.map((order) => ({ ...order, at: new Date(order.at).toISOString() })),
});
