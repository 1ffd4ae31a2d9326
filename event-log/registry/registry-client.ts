/** A schema registry's REST API (Confluent's, which Apicurio, Redpanda and Karapace speak too): what Attune asks of it. */
import { AttuneError, EngineUnavailable } from '#contracts';

export interface RegistryConnection {
  /** One address, or several of the same registry separated by commas: they are asked in turn. */
  readonly url: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Of one request. Default 5,000. */
  readonly timeoutMs?: number;
}

export interface RegisteredSchema {
  /** JSON text of an Avro schema. */
  readonly schema: string;
  readonly references: readonly SchemaReference[];
}

export interface SchemaReference {
  readonly name: string;
  readonly subject: string;
  readonly version: number;
}

/** Every call rejects with EngineUnavailable when the registry does not answer, and with `registry.refused` when it says no. */
export interface RegistryClient {
  /** The schema's id; the same schema again has the same. Rejects with `registry.incompatible` where the subject's rule forbids it. */
  register(subject: string, schema: unknown): Promise<number>;
  /** The schema's id under the subject; null: it is not registered there. */
  idOf(subject: string, schema: unknown): Promise<number | null>;
  /** Null: no schema has this id. Rejects with `registry.not-avro` when it is of another kind. */
  schemaOf(id: number): Promise<RegisteredSchema | null>;
  schemaOfVersion(subject: string, version: number): Promise<RegisteredSchema | null>;
  /** The subject's own rule; null: it has none, and the registry's applies. */
  compatibilityOf(subject: string): Promise<string | null>;
  setCompatibility(subject: string, level: string): Promise<void>;
  /** The newest version's schema, as JSON text; null: no such subject. */
  latest(subject: string): Promise<RegisteredSchema | null>;
}

interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

const CONTENT_TYPE = 'application/vnd.schemaregistry.v1+json';

export const createRegistryClient = (connection: RegistryConnection): RegistryClient => {
  const ask = createAsk(connection);
  const schemaAt = async (path: string): Promise<RegisteredSchema | null> => {
    const answer = await ask('GET', path);
    return answer.status === 404 ? null : avroOf(path, answer.body);
  };
  return {
    async register(subject, schema) {
      const path = `/subjects/${encodeURIComponent(subject)}/versions`;
      const { status, body } = await ask('POST', path, { schema: JSON.stringify(schema) });
      if (status === 409) {
        throw new AttuneError(
          'registry.incompatible',
          `the schema registry refuses the schema of ${subject}: ${messageOf(body)}; compare the subject's newest version with contracts/, or delete the subject if its records are gone`,
        );
      }
      if (status === 404) throw refused(path, status, body);
      return Number(body['id']);
    },
    async idOf(subject, schema) {
      const { status, body } = await ask('POST', `/subjects/${encodeURIComponent(subject)}`, { schema: JSON.stringify(schema) });
      return status === 404 ? null : Number(body['id']);
    },
    schemaOf: (id) => schemaAt(`/schemas/ids/${id}`),
    schemaOfVersion: (subject, version) => schemaAt(`/subjects/${encodeURIComponent(subject)}/versions/${version}`),
    async compatibilityOf(subject) {
      const { status, body } = await ask('GET', `/config/${encodeURIComponent(subject)}`);
      return status === 404 ? null : String(body['compatibilityLevel']);
    },
    async setCompatibility(subject, level) {
      const path = `/config/${encodeURIComponent(subject)}`;
      const { status, body } = await ask('PUT', path, { compatibility: level });
      if (status === 404) throw refused(path, status, body);
    },
    latest: (subject) => schemaAt(`/subjects/${encodeURIComponent(subject)}/versions/latest`),
  };
};

/** Answers 2xx, 404 and 409 are returned; the rest is thrown. */
const createAsk = ({ url, username, password, timeoutMs = 5_000 }: RegistryConnection) => {
  const addresses = url.split(',').map((address) => parseAddress(address.trim(), { username, password }));

  return async (method: 'GET' | 'POST' | 'PUT', path: string, body?: object): Promise<Answer> => {
    let cause: unknown;
    for (const { base, headers } of addresses) {
      try {
        const response = await fetch(base + path, {
          method,
          headers,
          signal: AbortSignal.timeout(timeoutMs),
          ...(body !== undefined && { body: JSON.stringify(body) }),
        });
        const answer = { status: response.status, body: parseBody(await response.text()) };
        if (response.ok || answer.status === 404 || answer.status === 409) return answer;
        const fault = refused(path, answer.status, answer.body);
        if (answer.status < 500 && answer.status !== 429) throw fault;
        cause = fault;
      } catch (error) {
        if (error instanceof AttuneError) throw error;
        cause = error;
      }
    }
    const where = addresses.map(({ origin }) => origin).join(', ');
    throw new EngineUnavailable('event-log', `the schema registry at ${where} does not answer: ${reasonOf(cause)}`, cause);
  };
};

interface Address {
  readonly base: string;
  /** All that may be told of it. */
  readonly origin: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** fetch refuses an address with a password in it, and repeats it in its refusal. Throws `registry.address`, without the address. */
const parseAddress = (text: string, given: Pick<RegistryConnection, 'username' | 'password'>): Address => {
  const url = URL.parse(text);
  if (url === null)
    throw new AttuneError('registry.address', 'SCHEMA_REGISTRY_URL is not an address: a password in it must be URL-encoded');
  const { username, password } =
    url.username === '' ? given : { username: decodeURIComponent(url.username), password: decodeURIComponent(url.password) };
  const headers: Record<string, string> = { accept: CONTENT_TYPE, 'content-type': CONTENT_TYPE };
  if (username !== undefined) headers['authorization'] = `Basic ${Buffer.from(`${username}:${password ?? ''}`).toString('base64')}`;
  return { base: url.origin + url.pathname.replace(/\/+$/, ''), origin: url.origin, headers };
};

const avroOf = (path: string, body: Answer['body']): RegisteredSchema => {
  const kind = body['schemaType'] ?? 'AVRO';
  if (kind !== 'AVRO') throw new AttuneError('registry.not-avro', `${path} in the schema registry is ${JSON.stringify(kind)}, not Avro`);
  return { schema: String(body['schema']), references: (body['references'] as SchemaReference[] | undefined) ?? [] };
};

const refused = (path: string, status: number, body: Answer['body']): AttuneError =>
  new AttuneError('registry.refused', `the schema registry answered ${status} to ${path}: ${messageOf(body)}`);

const messageOf = (body: Answer['body']): string => {
  const message = body['message'];
  return typeof message === 'string' ? message.slice(0, 500) : 'it gives no reason';
};

const parseBody = (text: string): Answer['body'] => {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Answer['body']) : {};
  } catch {
    return {};
  }
};

const reasonOf = (error: unknown): string => {
  const { message, cause } = error as Error;
  return cause instanceof Error && cause.message !== '' ? `${message} (${cause.message})` : message;
};
