/**
 * A schema registry for tests: Confluent's REST API over HTTP with its error codes; compatibility is judged by resolving the schemas
 * against each other, as a reader would.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import avro from 'avsc';

export interface TestRegistry {
  readonly url: string;
  /** Method and path of every request that was answered, oldest first. */
  readonly requests: readonly string[];
  /** Nobody listens any more; what is registered stays. */
  down(): Promise<void>;
  /** On the same port again. */
  up(): Promise<void>;
  /** Stores what its rules may forbid, under no subject; the id. */
  put(schema: { readonly schema: string; readonly schemaType?: string; readonly references?: readonly Reference[] }): number;
  /** The next `count` requests are answered with this status. */
  failNext(count: number, status: number): void;
  stop(): Promise<void>;
}

interface Reference {
  readonly name: string;
  readonly subject: string;
  readonly version: number;
}

interface Stored {
  readonly id: number;
  readonly schema: string;
  readonly schemaType: string;
  readonly references: readonly Reference[];
}

const LEVELS = new Set(['NONE', 'BACKWARD', 'BACKWARD_TRANSITIVE', 'FORWARD', 'FORWARD_TRANSITIVE', 'FULL', 'FULL_TRANSITIVE']);

class Refusal extends Error {
  readonly status: number;
  readonly code: number;
  constructor(status: number, code: number, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export const startSchemaRegistry = async (options: { username?: string; password?: string } = {}): Promise<TestRegistry> => {
  const store = createStore();
  const requests: string[] = [];
  let failing = { count: 0, status: 500 };

  const server = createServer((request, response) => {
    void answer(request, response);
  });
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    requests.push(`${request.method} ${request.url}`);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const reply = (status: number, body: unknown): void => {
      response.writeHead(status, { 'content-type': 'application/vnd.schemaregistry.v1+json' });
      response.end(JSON.stringify(body));
    };
    if (failing.count > 0) {
      failing.count--;
      return reply(failing.status, { error_code: failing.status * 100 + 1, message: 'told to fail' });
    }
    try {
      refuseStrangers(options, request);
      const text = Buffer.concat(chunks).toString('utf8');
      reply(200, route(store, request.method ?? '', request.url ?? '', text === '' ? {} : (JSON.parse(text) as Record<string, unknown>)));
    } catch (error) {
      if (error instanceof Refusal) reply(error.status, { error_code: error.code, message: error.message });
      else reply(500, { error_code: 50001, message: String(error) });
    }
  };

  const listen = (port: number): Promise<void> => new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  await listen(0);
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    down: close,
    up: () => listen(port),
    put: (schema) => store.schemas.push({ id: store.schemas.length + 1, schemaType: 'AVRO', references: [], ...schema }),
    failNext(count, status) {
      failing = { count, status };
    },
    stop: close,
  };
};

const refuseStrangers = ({ username, password }: { username?: string; password?: string }, request: IncomingMessage): void => {
  if (username === undefined) return;
  const expected = `Basic ${Buffer.from(`${username}:${password ?? ''}`).toString('base64')}`;
  if (request.headers.authorization !== expected) throw new Refusal(401, 401, 'Unauthorized');
};

type Store = ReturnType<typeof createStore>;

const createStore = () => ({
  schemas: [] as Stored[],
  /** Ids by version: the first is version 1. */
  subjects: new Map<string, number[]>(),
  levels: new Map<string, string>(),
  level: 'BACKWARD',
});

type Handler = (store: Store, parts: readonly string[], body: Record<string, unknown>, query: string) => unknown;

const ROUTES: readonly (readonly [string, RegExp, Handler])[] = [
  ['GET', /^\/subjects$/, (store) => [...store.subjects.keys()]],
  ['POST', /^\/subjects\/([^/]+)$/, (store, [subject], body) => lookUp(store, subject!, schemaOf(store, body))],
  ['GET', /^\/subjects\/([^/]+)\/versions$/, (store, [subject]) => versionsOf(store, subject!).map((_, i) => i + 1)],
  ['POST', /^\/subjects\/([^/]+)\/versions$/, (store, [subject], body) => ({ id: register(store, subject!, schemaOf(store, body)) })],
  ['GET', /^\/subjects\/([^/]+)\/versions\/([^/]+)$/, (store, [subject, version]) => versionOf(store, subject!, version!)],
  ['GET', /^\/schemas\/ids\/([^/]+)$/, (store, [id]) => schemaById(store, Number(id))],
  ['GET', /^\/config$/, (store) => ({ compatibilityLevel: store.level })],
  ['PUT', /^\/config$/, (store, _, body) => ({ compatibility: (store.level = levelOf(body)) })],
  ['GET', /^\/config\/([^/]+)$/, (store, [subject], _, query) => ({ compatibilityLevel: ownLevel(store, subject!, query) })],
  ['PUT', /^\/config\/([^/]+)$/, (store, [subject], body) => setLevel(store, subject!, levelOf(body))],
  [
    'POST',
    /^\/compatibility\/subjects\/([^/]+)\/versions\/([^/]+)$/,
    (store, [subject, version], body) => compatibilityTest(store, subject!, version!, schemaOf(store, body)),
  ],
];

const route = (store: Store, method: string, url: string, body: Record<string, unknown>): unknown => {
  const [path = '', query = ''] = url.split('?');
  for (const [verb, pattern, handle] of ROUTES) {
    const match = verb === method ? pattern.exec(path) : null;
    if (match !== null) return handle(store, match.slice(1).map(decodeURIComponent), body, query);
  }
  throw new Refusal(404, 404, 'HTTP 404 Not Found');
};

type Given = Omit<Stored, 'id'>;

const schemaOf = (store: Store, body: Record<string, unknown>): Given => {
  const given: Given = {
    schema: textOf(body['schema'], ''),
    schemaType: textOf(body['schemaType'], 'AVRO'),
    references: (body['references'] as Reference[] | undefined) ?? [],
  };
  if (given.schemaType === 'AVRO') typeOf(store, given);
  return given;
};

const textOf = (value: unknown, otherwise: string): string => (typeof value === 'string' ? value : otherwise);

const typeOf = (store: Store, { schema, references }: Given): avro.Type => {
  const registry: Record<string, avro.Type> = {};
  const load = (of: readonly Reference[]): void => {
    for (const { subject, version } of of) {
      const referred = store.schemas[versionsOf(store, subject)[version - 1]! - 1]!;
      load(referred.references);
      avro.Type.forSchema(JSON.parse(referred.schema) as avro.Schema, { registry });
    }
  };
  try {
    load(references);
    return avro.Type.forSchema(JSON.parse(schema) as avro.Schema, { registry });
  } catch (error) {
    throw new Refusal(422, 42201, `Either the input schema or one of its references is invalid: ${(error as Error).message}`);
  }
};

const versionsOf = (store: Store, subject: string): number[] => {
  const ids = store.subjects.get(subject);
  if (ids === undefined) throw new Refusal(404, 40401, `Subject '${subject}' not found.`);
  return ids;
};

const versionOf = (store: Store, subject: string, version: string): unknown => {
  const ids = versionsOf(store, subject);
  const number = version === 'latest' ? ids.length : Number(version);
  if (!Number.isInteger(number) || number < 1)
    throw new Refusal(422, 42202, `The specified version '${version}' is not a valid version id.`);
  const id = ids[number - 1];
  if (id === undefined) throw new Refusal(404, 40402, `Version ${version} not found.`);
  return { subject, version: number, id, ...shown(store.schemas[id - 1]!) };
};

const schemaById = (store: Store, id: number): unknown => {
  const stored = store.schemas[id - 1];
  if (stored === undefined) throw new Refusal(404, 40403, `Schema ${id} not found`);
  return shown(stored);
};

/** Avro is not named: it is what a schema is when nothing is said. */
const shown = ({ schema, schemaType, references }: Stored) => ({
  schema,
  ...(schemaType !== 'AVRO' && { schemaType }),
  ...(references.length > 0 && { references }),
});

const isSame = (a: Given, b: Given): boolean =>
  a.schemaType === b.schemaType && a.schema === b.schema && JSON.stringify(a.references) === JSON.stringify(b.references);

const lookUp = (store: Store, subject: string, given: Given): unknown => {
  const ids = versionsOf(store, subject);
  const place = ids.findIndex((id) => isSame(store.schemas[id - 1]!, given));
  if (place < 0) throw new Refusal(404, 40403, 'Schema not found');
  return { subject, version: place + 1, id: ids[place], ...shown(store.schemas[ids[place]! - 1]!) };
};

const register = (store: Store, subject: string, given: Given): number => {
  const ids = store.subjects.get(subject) ?? [];
  const known = ids.find((id) => isSame(store.schemas[id - 1]!, given));
  if (known !== undefined) return known;
  const fault = incompatibility(store, subject, given, ids);
  if (fault !== null) throw new Refusal(409, 409, `Schema being registered is incompatible with an earlier schema: ${fault}`);
  let stored = store.schemas.find((other) => isSame(other, given));
  if (stored === undefined) {
    stored = { id: store.schemas.length + 1, ...given };
    store.schemas.push(stored);
  }
  store.subjects.set(subject, [...ids, stored.id]);
  return stored.id;
};

const compatibilityTest = (store: Store, subject: string, version: string, given: Given): unknown => {
  const { id } = versionOf(store, subject, version) as { id: number };
  return { is_compatible: incompatibility(store, subject, given, [id]) === null };
};

/** Null: the rule of the subject allows it. */
const incompatibility = (store: Store, subject: string, given: Given, ids: readonly number[]): string | null => {
  const level = store.levels.get(subject) ?? store.level;
  if (level === 'NONE' || ids.length === 0 || given.schemaType !== 'AVRO') return null;
  const type = typeOf(store, given);
  for (const id of level.endsWith('_TRANSITIVE') ? ids : ids.slice(-1)) {
    const other = typeOf(store, store.schemas[id - 1]!);
    try {
      if (!level.startsWith('FORWARD')) type.createResolver(other);
      if (!level.startsWith('BACKWARD')) other.createResolver(type);
    } catch (error) {
      return `${level} with schema ${id}: ${(error as Error).message}`;
    }
  }
  return null;
};

const ownLevel = (store: Store, subject: string, query: string): string => {
  const level = store.levels.get(subject);
  if (level !== undefined) return level;
  if (query.includes('defaultToGlobal=true')) return store.level;
  throw new Refusal(404, 40408, `Subject '${subject}' does not have subject-level compatibility configured`);
};

const setLevel = (store: Store, subject: string, level: string): unknown => {
  store.levels.set(subject, level);
  return { compatibility: level };
};

const levelOf = (body: Record<string, unknown>): string => {
  const level = String(body['compatibility']);
  if (!LEVELS.has(level)) throw new Refusal(422, 42203, `Invalid compatibility level: ${level}`);
  return level;
};
