/** POST /v1/delivery-receipts/{channel}: takes from a channel's peer what became of a message. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { ChannelDefinition } from '#project';
import type { ServingContext } from '../context.ts';
import { demandOf, isProven, proofOf, type Environment, type Presented } from '../delivery-receipts/proof.ts';
import { readMappedReceipt } from '../delivery-receipts/read-mapped-receipt.ts';
import { readStatusNotification } from '../delivery-receipts/read-status-notification.ts';
import { readWebhookReceipt } from '../delivery-receipts/read-webhook-receipt.ts';
import { takeReceipt } from '../delivery-receipts/take-receipt.ts';
import type { Told } from '../delivery-receipts/told.ts';
import { ProblemError, notFound } from '../errors/problem.ts';
import { problems } from '../schemas/common.ts';
import { ReceiptAnswer, WebhookReceipt } from '../schemas/delivery-receipts.ts';

interface Route {
  Params: { readonly channel: string; readonly token?: string };
  Querystring: Readonly<Record<string, unknown>>;
  Body: Buffer | undefined;
}

/** @param env the secrets that channels.yaml names */
export const addDeliveryReceiptsRoute = (app: FastifyInstance, context: ServingContext, env: Environment): void => {
  const { catalog, store, appender, clock, metrics } = context;

  const take = async (request: FastifyRequest<Route>, reply: FastifyReply): Promise<ReceiptAnswer> => {
    const { channel } = request.params;
    const definition = catalog.current().channels.channels.get(channel);
    const proof = definition === undefined ? null : proofOf(definition);
    if (definition === undefined || proof === null)
      throw notFound(`there is no channel "${channel.slice(0, 100)}" whose peer tells of delivery over HTTP; see channels.yaml`);
    const presented = presentedBy(request);
    if (!isProven(proof, presented, env)) {
      if (proof.kind === 'basic') reply.header('www-authenticate', 'Basic realm="attune"');
      throw new ProblemError(401, 'unauthenticated', demandOf(proof));
    }
    const told = read(definition, request, presented.body);
    reply.code(202);
    if (told.state === null) return { communicationId: null, state: null };
    const communicationId = await takeReceipt({ documents: store.documents, appender, clock }, channel, told);
    metrics.observed('receipts', 1);
    return { communicationId, state: told.state };
  };

  const schema = {
    tags: ['observe'],
    summary: 'Tell what became of a message: for the peers of channels',
    description:
      'The channel of channels.yaml says what is taken: of a webhook the body below, signed by Standard Webhooks; of a gateway its own JSON, form ' +
      'or query, as `receipt` maps it; of e-mail a delivery status notification as message/rfc822. Proven by the signature, basic authorization, ' +
      'or the token (at the end of the path, or in the query), never by an API key. Told again it counts once.',
    consumes: ['application/json', 'application/x-www-form-urlencoded', 'message/rfc822'],
    params: Type.Object({ channel: Type.String() }),
    body: WebhookReceipt,
    response: { 202: ReceiptAnswer, ...problems },
    security: [],
  };
  app.register(async (receipts) => {
    // A signature is over the bytes as they came; the forms are read once it holds.
    receipts.removeAllContentTypeParsers();
    receipts.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
    receipts.setValidatorCompiler(() => () => true);
    receipts.post<Route>('/v1/delivery-receipts/:channel', { schema }, take);
    const withToken = { ...schema, params: Type.Object({ channel: Type.String(), token: Type.String() }) };
    receipts.post<Route>('/v1/delivery-receipts/:channel/:token', { schema: withToken }, take);
  });
};

const presentedBy = ({ headers, params, query, body }: FastifyRequest<Route>): Presented => {
  const token = params.token ?? query['token'];
  return { headers, token: typeof token === 'string' ? token : null, body: body ?? Buffer.alloc(0) };
};

const read = ({ settings }: ChannelDefinition, request: FastifyRequest<Route>, body: Buffer): Told => {
  switch (settings.adapter) {
    case 'webhook':
      return readWebhookReceipt(body);
    case 'smtp':
      return readStatusNotification(body);
    case 'http': {
      const { headers, query } = request;
      return readMappedReceipt({ contentType: (headers['content-type'] ?? '').toLowerCase(), query, body }, settings.receipt!);
    }
    case 'smpp':
    case 'file':
      throw new Error(`the adapter ${settings.adapter} takes no receipts over HTTP`);
  }
};
