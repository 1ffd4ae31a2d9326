/** GET /v1/models, promote and rollback: which model serves, and by whose word. */
import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import { TOPICS, modelCodec, shardOf, type ModelRecord } from '#contracts';
import type { ServingContext } from '../context.ts';
import type { ShadowReport } from '../deciding/shadow.ts';
import { ProblemError, notFound } from '../errors/problem.ts';
import { PromotionRequest, RollbackRequest } from '../schemas/controls.ts';
import type { PromotionReport } from '../promotion/judge.ts';
import { LoopQuery, ModelsAnswer, PromotionAnswer, VersionParams } from '../schemas/receipts.ts';
import { problems } from '../schemas/common.ts';

/** Styles of its own and nothing else: a report names actions and inputs as others called them. */
const REPORT_MAY = "default-src 'none'; style-src 'unsafe-inline'";

export const addModelsRoutes = (app: FastifyInstance, context: ServingContext): void => {
  app.get(
    '/v1/models',
    {
      onRequest: context.authorise('read'),
      schema: { tags: ['operate'], summary: 'Model versions and what each does', response: { 200: ModelsAnswer, ...problems } },
    },
    async () => answerOf(context),
  );

  app.get<{ Params: { version: string } }>(
    '/v1/models/:version/report',
    {
      onRequest: context.authorise('read'),
      schema: {
        tags: ['operate'],
        summary: 'The training report of a version, a page',
        params: VersionParams,
        response: { 200: { content: { 'text/html': { schema: Type.String() } } }, ...problems },
      },
    },
    async (request, reply) => {
      const page = await context.store.blobs.find(`report/${request.params.version}`);
      if (page === null) throw notFound(`there is no training report of model version "${request.params.version}"`);
      return reply.type('text/html; charset=utf-8').header('content-security-policy', REPORT_MAY).send(page.toString('utf8'));
    },
  );

  app.post<{ Params: { version: string }; Querystring: { loop?: string }; Body: PromotionRequest }>(
    '/v1/models/:version/promote',
    {
      onRequest: context.authorise('admin'),
      schema: {
        tags: ['operate'],
        summary: 'Make a version the champion, where the logged decisions prove it',
        description:
          'Judged on matured decisions that the version had not learned from. 409 names each condition that failed. With `force` it serves ' +
          'without proof, and the record says so; with `dryRun` nothing changes.',
        params: VersionParams,
        querystring: LoopQuery,
        body: PromotionRequest,
        response: { 200: PromotionAnswer, ...problems },
      },
    },
    async (request) => {
      const loop = request.query.loop ?? '';
      const { version } = request.params;
      const next = context.models.records().find((record) => record.loop === loop && record.version === version);
      if (next === undefined) throw notFound(`there is no model version "${version}"; see GET /v1/models`);
      if (next.role === 'champion' && request.body.dryRun !== true) return { ...answerOf(context), report: null };
      const report = request.body.force === true ? null : await judged(context, next, request.body);
      if (request.body.dryRun === true) return { ...answerOf(context), report };
      if (report !== null && !report.promotes) throw refusal(version, report);
      await appoint(context, next, { actor: request.body.actor, reason: reasonOf(request.body) });
      return { ...answerOf(context), report };
    },
  );

  app.post<{ Querystring: { loop?: string }; Body: RollbackRequest }>(
    '/v1/models/rollback',
    {
      onRequest: context.authorise('admin'),
      schema: {
        tags: ['operate'],
        summary: 'Make the previous champion serve again',
        querystring: LoopQuery,
        body: RollbackRequest,
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

/** By the logged decisions; 409 where nobody can judge. */
const judged = async (context: ServingContext, next: ModelRecord, { epsilon = 0 }: PromotionRequest): Promise<PromotionReport> => {
  if (context.judge === null)
    throw new ProblemError(
      409,
      'not-judged',
      'this process has no warehouse to judge by; run `attune promote`, or send `force` with your reason',
    );
  const shadow = context.shadow.report().find(({ loop, version }) => loop === next.loop && version === next.version);
  const latency =
    shadow === undefined
      ? null
      : { decisions: shadow.decisions, challengerP99Us: shadow.latencyUs.p99, championP99Us: shadow.championLatencyUs.p99 };
  try {
    return await context.judge({ loop: next.loop, version: next.version, epsilon, latency });
  } catch (error) {
    throw new ProblemError(409, 'not-judged', `the version could not be judged: ${error instanceof Error ? error.message : String(error)}`);
  }
};

const refusal = (version: string, { conditions }: PromotionReport): ProblemError =>
  new ProblemError(
    409,
    'not-proved',
    `${version} stays a challenger; ${conditions
      .filter(({ holds }) => !holds)
      .map(({ name, found }) => `${name}: ${found}`)
      .join('; ')}`,
    conditions.filter(({ holds }) => !holds).map(({ name, found }) => ({ field: name, message: found })),
  );

const reasonOf = ({ reason, force, epsilon }: PromotionRequest): string =>
  force === true ? `${reason} (forced, without proof)` : epsilon === undefined || epsilon === 0 ? reason : `${reason} (epsilon ${epsilon})`;

/** One record: who was champion until now is the previous one by that. */
const appoint = async (context: ServingContext, next: ModelRecord, by: RollbackRequest): Promise<void> => {
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

const answerOf = ({ models, controls, shadow }: ServingContext): { models: object[] } => {
  const serving = models.serving();
  const pinned = controls.current().pinnedModel;
  const staged = models.staged();
  const shadows = shadow.report();
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
        share: staged.find(({ version }) => version === record.version)?.share ?? 0,
        shadow: shadowOf(shadows, record),
      };
    }),
  };
};

const shadowOf = (shadows: readonly ShadowReport[], record: ModelRecord): Omit<ShadowReport, 'loop' | 'version'> | null => {
  const found = shadows.find(({ loop, version }) => loop === record.loop && version === record.version);
  if (found === undefined) return null;
  const { loop: _loop, version: _version, ...measured } = found;
  return measured;
};
