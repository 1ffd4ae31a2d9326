/** POST /v1/events: takes CloudEvents, one or a batch, all or none. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { TOPICS, eventCodec } from '#contracts';
import type { AppendRecord } from '#event-log';
import { faultOfEvent, faultOfSource } from '#project';
import type { ServingContext } from '../context.ts';
import { ProblemError, type FieldFault } from '../errors/problem.ts';
import { validationFaults } from '../errors/validation-faults.ts';
import { type CloudEvent, EventsAnswer, EventsBatch } from '../schemas/events.ts';
import { problems } from '../schemas/common.ts';
import { parseTime } from './parse-time.ts';

const MOST_FAULTS = 20;

declare module 'fastify' {
  interface FastifyRequest {
    /** The body was one event, not a batch: faults are named without an index. */
    singleEvent: boolean;
  }
}

export const addEventsRoute = (app: FastifyInstance, context: ServingContext): void => {
  const { clock, appender, metrics } = context;
  app.decorateRequest('singleEvent', false);

  app.post<{ Body: readonly CloudEvent[] }>(
    '/v1/events',
    {
      onRequest: context.authorise('observe'),
      preValidation: asBatch,
      attachValidation: true,
      schema: {
        tags: ['observe'],
        summary: 'Tell what happened: CloudEvents 1.0, one or a batch',
        description: 'A batch is taken whole or not at all. The same source and id again count once.',
        consumes: ['application/json', 'application/cloudevents+json', 'application/cloudevents-batch+json'],
        body: EventsBatch,
        response: { 202: EventsAnswer, ...problems },
      },
    },
    async (request, reply) => {
      if (request.validationError !== undefined) refuse(request, validationFaults(request.validationError.validation ?? []));
      const nowMs = clock();
      const types = context.catalog.current().eventTypes;
      const faults: FieldFault[] = [];
      const records: AppendRecord[] = [];
      for (const [index, event] of request.body.entries()) {
        const fault = faultOfSource(event.source) ?? faultOfEvent({ type: event.type, data: event.data ?? {} }, types);
        if (fault === null) records.push(recordOf(context, event, `${index}.time`, nowMs));
        else if (faults.push({ field: `${index}.${fault.field}`, message: fault.message }) === MOST_FAULTS) break;
      }
      if (faults.length > 0) refuse(request, faults);
      await appender.append(records);
      metrics.observed('events', records.length);
      return reply.code(202).send({ accepted: records.length });
    },
  );
};

const asBatch = async (request: FastifyRequest): Promise<void> => {
  request.singleEvent = !Array.isArray(request.body);
  if (request.singleEvent) request.body = [request.body];
};

const refuse = (request: FastifyRequest, faults: readonly FieldFault[]): never => {
  const named = request.singleEvent ? faults.map(({ field, message }) => ({ field: field.replace(/^0\.?/, ''), message })) : faults;
  const detail = named.map(({ field, message }) => `${field === '' ? 'body' : field} ${message}`).join('; ');
  throw new ProblemError(400, 'invalid', detail, named);
};

const recordOf = (context: ServingContext, event: CloudEvent, timeField: string, nowMs: number): AppendRecord => {
  const subject = context.subjects.find(event.subjectkind ?? 'customer', event.subject);
  const value = eventCodec.encode({
    id: event.id,
    source: event.source,
    type: event.type,
    subjectKind: subject.kind,
    subjectId: subject.id,
    customerKey: subject.keyBytes,
    time: parseTime(event.time, timeField, nowMs),
    receivedAt: nowMs,
    data: JSON.stringify(event.data ?? {}),
  });
  return { topic: TOPICS.events, shard: subject.shard, value };
};
