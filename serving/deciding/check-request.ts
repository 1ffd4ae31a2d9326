/** What a schema cannot say of a decision's request: names that the catalog knows, candidates that differ. */
import type { Catalog } from '#decisioning';
import { fieldFault } from '../errors/problem.ts';
import type { DecisionRequest } from '../schemas/decisions.ts';

export type Direction = 'inbound' | 'outbound';

export const OWN_LOOP = 'own';

/** Throws a 400 that names the field; returns the direction, which a channel of one direction implies. */
export const checkRequest = (request: DecisionRequest, catalog: Catalog): Direction => {
  if (request.candidates !== undefined) {
    refuseTwins(request.candidates);
    if (request.scope !== undefined) throw fieldFault('scope', "is of the catalog's actions; candidates of your own are those you send");
    return request.direction ?? 'inbound';
  }
  if (request.loop !== undefined) throw fieldFault('loop', 'goes with candidates of your own; the catalog has one loop');
  const channel = catalog.channels.get(request.channel);
  if (channel === undefined) {
    throw fieldFault('channel', `"${request.channel}" is not a channel of the catalog (${[...catalog.channels.keys()].join(', ')})`);
  }
  const direction = request.direction ?? (channel.directions.includes('inbound') ? 'inbound' : 'outbound');
  if (!channel.directions.includes(direction))
    throw fieldFault('direction', `the channel "${channel.name}" is ${channel.directions.join(' and ')} only`);
  if (request.scope !== undefined) refuseUnknown(request.scope, catalog);
  return direction;
};

const refuseUnknown = (scope: NonNullable<DecisionRequest['scope']>, catalog: Catalog): void => {
  const refuse = (list: 'actions' | 'topics' | 'groups', what: string, isKnown: (name: string) => boolean): void => {
    scope[list]?.forEach((name, i) => {
      if (!isKnown(name)) throw fieldFault(`scope.${list}.${i}`, `"${name}" is not ${what} of the catalog`);
    });
  };
  refuse('actions', 'an action', (id) => catalog.indexOf.has(id));
  refuse('topics', 'a topic', (topic) => catalog.topics.includes(topic));
  refuse('groups', 'a group', (group) => catalog.groups.includes(group));
};

const refuseTwins = (candidates: NonNullable<DecisionRequest['candidates']>): void => {
  const seen = new Set<string>();
  for (const [index, { id }] of candidates.entries()) {
    if (seen.has(id)) throw fieldFault(`candidates.${index}.id`, `"${id.slice(0, 100)}" is there twice`);
    seen.add(id);
  }
};
