/** GET /v1/models, promote and rollback: which model serves, and by whose word. */
import type { FastifyInstance } from 'fastify';
import { TOPICS, modelCodec, shardOf, type ModelRecord } from '#contracts';
import type { ServingContext } from '../context.ts';
import { ProblemError, notFound } from '../errors/problem.ts';
import { PromotionRequest } from '../schemas/controls.ts';
import { LoopQuery, ModelsAnswer, VersionParams } from '../schemas/receipts.ts';
import { problems } from '../schemas/common.ts';

export const addModelsRoutes = (app: FastifyInstance, context: ServingContext): void => {
  app.get(
    '/v1/models',
    {
      onRequest: context.authorise('read'),
      schema: { tags: ['operate'], summary: 'Model versions and what each does', response: { 200: ModelsAnswer, ...problems } },
    },
    async () => answerOf(context),
  );

  app.post<{ Params: { version: string }; Querystring: { loop?: string }; Body: PromotionRequest }>(
    '/v1/models/:version/promote',
    {
      onRequest: context.authorise('admin'),
      schema: {
        tags: ['operate'],
        summary: 'Make a version the champion',
        params: VersionParams,
        querystring: LoopQuery,
        body: PromotionRequest,
        response: { 200: ModelsAnswer, ...problems },
      },
    },
    async (request) => {
      const loop = request.query.loop ?? '';
      const next = context.models.records().find((record) => record.loop === loop && record.version === request.params.version);
      if (next === undefined) throw notFound(`there is no model version "${request.params.version}"; see GET /v1/models`);
      await appoint(context, next, request.body);
      return answerOf(context);
    },
  );

  app.post<{ Querystring: { loop?: string }; Body: PromotionRequest }>(
    '/v1/models/rollback',
    {
      onRequest: context.authorise('admin'),
      schema: {
        tags: ['operate'],
        summary: 'Make the previous champion serve again',
        querystring: LoopQuery,
        body: PromotionRequest,
        response: { 200: ModelsAnswer, ...problems },
      },
    },
    async (request) => {
      const loop = request.query.loop ?? '';
      const previous = context.models.records().find((record) => record.loop === loop && record.role === 'previous');
      if (previous === undefined) throw new ProblemError(409, 'conflict', 'there is no previous champion to go back to');
      await appoint(context, previous, request.body);
      return answerOf(context);
    },
  );
};

/** One record: who was champion until now is the previous one by that. */
const appoint = async (context: ServingContext, next: ModelRecord, by: PromotionRequest): Promise<void> => {
  const at = context.clock();
  const roleAt = context.models.nextRoleAt(next.loop, at);
  const record: ModelRecord = { ...next, role: 'champion', note: `${by.actor}: ${by.reason}`, at, roleAt, kept: false };
  await context.appender.append([
    { topic: TOPICS.models, shard: shardOf(record.loop), key: modelKey(record), value: modelCodec.encode(record) },
  ]);
  context.models.apply(record);
};

/** The newest record of a version survives compaction. */
const modelKey = (record: ModelRecord): Buffer => Buffer.from(`${record.loop}/${record.version}`);

const answerOf = ({ models, controls }: ServingContext): { models: object[] } => {
  const serving = models.serving();
  const pinned = controls.current().pinnedModel;
  return {
    models: models.records().map((record) => {
      const served = serving.find(({ scorer }) => scorer.loop === record.loop && scorer.version === record.version);
      return {
        loop: record.loop,
        version: record.version,
        snapshot: served?.scorer.snapshot ?? record.snapshot,
        role: record.role,
        serving: served !== undefined,
        pinned: pinned === record.version,
        publishedAt: new Date(record.at).toISOString(),
        watermark: new Date(record.watermark).toISOString(),
        experiences: record.experiences,
        note: record.note,
      };
    }),
  };
};
