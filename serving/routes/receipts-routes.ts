/** GET /v1/decisions/{id}, its explanation, and its replay: the receipt and what it proves. */
import type { FastifyInstance } from 'fastify';
import { customerKeyFromBytes, parseDecisionId } from '#contracts';
import { explain, stageName, type RedecideInput } from '#decisioning';
import { findControls, fingerprintOf, loadFeatureSet, viewOfReceipt } from '#feature-store';
import type { ServingContext } from '../context.ts';
import { ProblemError, fieldFault, notFound } from '../errors/problem.ts';
import type { FoundReceipt } from '../receipts/find-receipt.ts';
import { receiptAnswer } from '../receipts/receipt-answer.ts';
import { replay } from '../receipts/replay.ts';
import { ExplanationAnswer, IdParams, ReceiptAnswer, ReplayAnswer } from '../schemas/receipts.ts';
import { problems } from '../schemas/common.ts';

interface ById {
  Params: { id: string };
}

export const addReceiptsRoutes = (app: FastifyInstance, context: ServingContext): void => {
  const common = { tags: ['decide'], params: IdParams };

  app.get<ById>(
    '/v1/decisions/:id',
    {
      onRequest: context.authorise('read'),
      schema: { ...common, summary: 'The receipt: all inputs and the result', response: { 200: ReceiptAnswer, ...problems } },
    },
    async (request) => {
      const { decision, source } = await find(context, request.params.id);
      const { view } = await reconstruct(context, { decision, source });
      return {
        ...receiptAnswer(decision, source, view.featureNames),
        stageNames: [...decision.stages].map((code) => stageName(code) ?? `${code}`),
      };
    },
  );

  app.get<ById>(
    '/v1/decisions/:id/explanation',
    {
      onRequest: context.authorise('read'),
      schema: { ...common, summary: 'Why, and why not, in words', response: { 200: ExplanationAnswer, ...problems } },
    },
    async (request) => {
      const found = await find(context, request.params.id);
      return { decisionId: request.params.id, ...explain(await reconstruct(context, found)) };
    },
  );

  app.post<ById>(
    '/v1/decisions/:id/replay',
    {
      onRequest: context.authorise('read'),
      schema: {
        ...common,
        summary: 'Decide again from the receipt',
        description:
          'From the recorded scores the choice is bit-identical for ever; scored again by the kept snapshot, the scores agree within 1e-5.',
        response: { 200: ReplayAnswer, ...problems },
      },
    },
    async (request) => {
      const found = await find(context, request.params.id);
      const { loop, modelVersion, modelSnapshot } = found.decision;
      const scorer = await context.models.openKept(loop, modelVersion, modelSnapshot);
      return { decisionId: request.params.id, ...replay(await reconstruct(context, found), scorer) };
    },
  );
};

/** What was recorded of a customer before an erasure is not shown. */
const find = async (context: ServingContext, text: string): Promise<FoundReceipt> => {
  const id = parseDecisionId(text);
  if (id === null) throw fieldFault('id', 'is not a decision id (36 characters, as POST /v1/decisions answered)');
  const found = await context.receipts.find(id);
  const erasedAt = found === null ? null : context.erasures.erasedAt(customerKeyFromBytes(found.decision.customerKey));
  if (found === null || (erasedAt !== null && found.decision.decidedAt <= erasedAt)) throw notFound('there is no receipt of this decision');
  return found;
};

/** The catalog, the controls and the customer as they were. */
const reconstruct = async (context: ServingContext, { decision }: FoundReceipt): Promise<RedecideInput> => {
  const compiled = await context.catalog.byVersion(decision.catalogVersion);
  if (compiled === null)
    throw new ProblemError(
      409,
      'catalog-gone',
      `the catalog ${decision.catalogVersion} of this decision is not kept in this feature store`,
    );
  await loadFeatureSet(context.store.blobs, compiled.featureSet, decision.featureSet);
  if (decision.state.length > 0) await loadFeatureSet(context.store.blobs, compiled.featureSet, fingerprintOf(decision.state));
  const controls = await findControls(context.store.blobs, decision.controlsVersion);
  const input = { receipt: decision, catalog: compiled.catalog, view: viewOfReceipt(decision, compiled.featureSet) };
  return controls === null ? input : { ...input, controls };
};
