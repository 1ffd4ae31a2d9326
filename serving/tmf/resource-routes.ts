/** The routes of one TM Forum resource, as TMF630 has them for all. */
import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify';
import { Type } from 'typebox';
import type { ServingContext } from '../context.ts';
import { ProblemError, fieldFault, notFound } from '../errors/problem.ts';
import { checkBody, withoutIdentity } from './check-body.ts';
import { matches } from './query/filter.ts';
import { parseQuery, type TmfQuery } from './query/parse-query.ts';
import { project } from './query/project.ts';
import { sorted } from './query/sorted.ts';
import type { TmfFace, TmfPage, TmfResource } from './resource.ts';
import { ListQuery, ReadQuery, tmfProblems } from './schemas.ts';

interface OneRoute {
  Params: { id: string };
}

/** A list asked without a limit; the headers tell of more, and `Link` leads there. */
const LONGEST_PAGE = 1_000;
/** What one filtered list may cost. */
const MOST_SCANNED = 50_000;

const JSON_TYPE = 'application/json; charset=utf-8';

export const addResourceRoutes = (app: FastifyInstance, context: Pick<ServingContext, 'authorise'>, face: TmfFace): void => {
  const { name, schemas, tag, scopes } = face;
  const root = `/${name}`;
  const guard = { read: context.authorise(scopes.read), write: context.authorise(scopes.write) };
  const schema = (summary: string, more: object): { schema: object } => ({ schema: { tags: [tag], summary, ...more } });
  const params = Type.Object({ id: Type.String({ description: `of the ${name}` }) });
  const collection: HTTPMethods[] = [];
  const one: HTTPMethods[] = [];

  if (face.scan !== undefined && face.page !== undefined) {
    collection.push('GET');
    const { scan, page } = face;
    const response = { 200: Type.Array(schemas.resource), 206: Type.Array(schemas.resource), ...tmfProblems };
    app.get(
      root,
      { onRequest: guard.read, ...schema(`List ${name}s, newest first`, { description: LISTING, querystring: ListQuery, response }) },
      async (request, reply) => {
        const query = parseQuery(queryOf(request));
        const found = await list({ scan, page }, query);
        return sendPage(request, reply, query, found);
      },
    );
  }
  if (face.create !== undefined) {
    collection.push('POST');
    const create = face.create;
    app.post(
      root,
      {
        onRequest: guard.write,
        ...schema(`Create a ${name}`, { body: schemas.create, response: { 201: schemas.resource, ...tmfProblems } }),
      },
      async (request, reply) => {
        const { fields } = parseQuery(queryOf(request));
        const created = await create(checkBody(request.body));
        return reply.code(201).header('location', created.href).type(JSON_TYPE).send(project(created, fields));
      },
    );
  }
  if (face.read !== undefined) {
    one.push('GET');
    const read = face.read;
    app.get<OneRoute>(
      `${root}/:id`,
      {
        onRequest: guard.read,
        ...schema(`Read a ${name}`, { params, querystring: ReadQuery, response: { 200: schemas.resource, ...tmfProblems } }),
      },
      async (request, reply) => {
        const { fields } = parseQuery(queryOf(request));
        return reply.type(JSON_TYPE).send(project(there(await read(request.params.id), name), fields));
      },
    );
  }
  if (face.update !== undefined) {
    one.push('PATCH');
    const update = face.update;
    app.patch<OneRoute>(
      `${root}/:id`,
      {
        onRequest: guard.write,
        ...schema(`Change a ${name} by merge patch`, {
          consumes: ['application/json', 'application/merge-patch+json'],
          params,
          body: schemas.update,
          response: { 200: schemas.resource, ...tmfProblems },
        }),
      },
      async (request, reply) => {
        const { fields } = parseQuery(queryOf(request));
        const { id } = request.params;
        const patch = withoutIdentity(checkBody(request.body), { id, href: hrefOf(face, id) });
        return reply.type(JSON_TYPE).send(project(there(await update(id, patch), name), fields));
      },
    );
  }
  if (face.remove !== undefined) {
    one.push('DELETE');
    const remove = face.remove;
    app.delete<OneRoute>(
      `${root}/:id`,
      { onRequest: guard.write, ...schema(`Delete a ${name}`, { params, response: { 204: Type.Null(), ...tmfProblems } }) },
      async (request, reply) => {
        if (!(await remove(request.params.id))) throw missing(name);
        return reply.code(204).send();
      },
    );
  }
  refuseOthers(app, root, collection);
  refuseOthers(app, `${root}/:id`, one);
};

export const hrefOf = ({ base, name }: Pick<TmfFace, 'base' | 'name'>, id: string): string => `${base}/${name}/${encodeURIComponent(id)}`;

const ALL: readonly HTTPMethods[] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];

/** 405 where the path is right and the method is not. */
export const refuseOthers = (app: FastifyInstance, url: string, taken: readonly HTTPMethods[]): void => {
  const others = ALL.filter((method) => !taken.includes(method));
  if (others.length === 0) return;
  app.route({
    method: others,
    url,
    schema: { hide: true },
    async handler(request, reply) {
      reply.header('allow', taken.join(', '));
      throw new ProblemError(405, 'method', `${request.method} is not for this resource; it takes ${taken.join(', ')}`);
    },
  });
};

const LISTING =
  'Every other parameter filters by an attribute: `state=failed`, several values by comma or repetition, `.gt` `.gte` `.lt` `.lte` ' +
  '(or `>` `<` `>=` `<=`), dotted paths as `receiver.id`. Without offset and limit the answer is 200; with them 206 where it is a part.';

const queryOf = (request: FastifyRequest): string => {
  const at = request.url.indexOf('?');
  return at < 0 ? '' : request.url.slice(at + 1);
};

const missing = (name: string): ProblemError => notFound(`there is no such ${name}`);

const there = (resource: TmfResource | null, name: string): TmfResource => {
  if (resource === null) throw missing(name);
  return resource;
};

const list = async (face: Required<Pick<TmfFace, 'scan' | 'page'>>, query: TmfQuery): Promise<TmfPage> => {
  const offset = query.offset ?? 0;
  const limit = Math.min(query.limit ?? LONGEST_PAGE, LONGEST_PAGE);
  if (query.filter.length === 0 && query.sort.length === 0) return face.page({ offset, limit });
  const found: TmfResource[] = [];
  let scanned = 0;
  for await (const resource of face.scan(query.filter)) {
    if (matches(resource, query.filter)) found.push(resource);
    if (++scanned > MOST_SCANNED)
      throw fieldFault('query', `asks for a look at more than ${MOST_SCANNED} resources; name an id or a receiver.id`);
  }
  return { resources: sorted(found, query.sort).slice(offset, offset + limit), total: found.length };
};

const sendPage = (request: FastifyRequest, reply: FastifyReply, query: TmfQuery, { resources, total }: TmfPage): FastifyReply => {
  const isAsked = query.offset !== null || query.limit !== null;
  const offset = query.offset ?? 0;
  const end = offset + resources.length;
  reply.header('x-total-count', total).header('x-result-count', resources.length).type(JSON_TYPE);
  if (resources.length > 0 && end < total) reply.header('link', `<${nextOf(request.url, end, resources.length)}>; rel="next"`);
  return reply.code(isAsked && resources.length < total ? 206 : 200).send(resources.map((resource) => project(resource, query.fields)));
};

const nextOf = (url: string, offset: number, limit: number): string => {
  const [path, query = ''] = url.split('?', 2) as [string, string?];
  const others = query.split('&').filter((part) => part !== '' && !/^(offset|limit)=/.test(part));
  return `${path}?${[...others, `offset=${offset}`, `limit=${limit}`].join('&')}`;
};
