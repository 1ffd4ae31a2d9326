/** GET and PUT /v1/controls: the operators' controls, with who and why. */
import type { FastifyInstance } from 'fastify';
import { TOPICS, controlCodec, shardOf, type Control, type StagedModel } from '#contracts';
import type { ServingContext } from '../context.ts';
import { ProblemError, fieldFault } from '../errors/problem.ts';
import { keepControls } from '../holders/controls-by-version.ts';
import { CONTROLS_KEY } from '../holders/controls-holder.ts';
import { ControlsAnswer, ControlsRequest } from '../schemas/controls.ts';
import { problems } from '../schemas/common.ts';

export const addControlsRoutes = (app: FastifyInstance, context: ServingContext): void => {
  const { controls, appender, clock } = context;
  let turn: Promise<unknown> = Promise.resolve();

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
        description: 'Fields left out stay as they are. With `version` the change is refused (409) when another is in force.',
        body: ControlsRequest,
        response: { 200: ControlsAnswer, ...problems },
      },
    },
    async (request) => {
      // One change after the other, so that none is made on controls which it has not seen.
      const change = turn.then(async () => {
        const next = changed(controls.current(), request.body, clock());
        refuseUnknown(next, request.body, context);
        await keepControls(context.store.blobs, next);
        await appender.append([
          { topic: TOPICS.controls, shard: shardOf('controls'), key: CONTROLS_KEY, value: controlCodec.encode(next) },
        ]);
        controls.apply(next);
        return answerOf(next);
      });
      turn = change.catch(() => undefined);
      return change;
    },
  );
};

const changed = (current: Control, body: ControlsRequest, nowMs: number): Control => {
  if (body.version !== undefined && body.version !== current.version) {
    throw new ProblemError(409, 'conflict', `version ${current.version} is in force, not ${body.version}`, [
      { field: 'version', message: `is now ${current.version}` },
    ]);
  }
  return {
    version: current.version + 1,
    actor: body.actor,
    reason: body.reason,
    at: nowMs,
    stopOutbound: body.stopOutbound ?? current.stopOutbound,
    pausedActions: body.pausedActions ?? current.pausedActions,
    pausedChannels: body.pausedChannels ?? current.pausedChannels,
    explorationOff: body.explorationOff ?? current.explorationOff,
    pinnedModel: body.pinnedModel === undefined ? current.pinnedModel : body.pinnedModel,
    staged: body.staged ?? current.staged,
  };
};

/** A name that nobody knows would control nothing, and no one would notice. */
const refuseUnknown = (next: Control, body: ControlsRequest, context: ServingContext): void => {
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
});
