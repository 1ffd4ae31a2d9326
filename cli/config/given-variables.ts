/** What of the environment is ours and set: empty text is absent, and a secret may come as a file named by NAME_FILE. */
import { readFileSync } from 'node:fs';
import { EnvironmentSchema, SECRETS } from './variables.ts';

export type Variables = Readonly<Record<string, string | undefined>>;

export interface Given {
  readonly values: Readonly<Record<string, string>>;
  /** Names variables and never their values. */
  readonly faults: readonly string[];
}

export const readGiven = (variables: Variables): Given => {
  const values: Record<string, string> = {};
  for (const name of Object.keys(EnvironmentSchema.properties)) {
    const value = variables[name];
    if (value !== undefined && value !== '') values[name] = value;
  }
  const faults: string[] = [];
  for (const name of SECRETS) {
    const path = variables[`${name}_FILE`];
    if (path === undefined || path === '') continue;
    if (values[name] !== undefined) {
      faults.push(`${name} and ${name}_FILE are both set; leave one`);
      continue;
    }
    const secret = readSecret(path);
    if (typeof secret === 'string') values[name] = secret;
    else faults.push(`${name}_FILE names a file that ${secret.fault}`);
  }
  return { values, faults };
};

const PREFIXES = ['ATTUNE_', 'KAFKA_', 'REDIS_', 'CLICKHOUSE_', 'SCHEMA_REGISTRY_'];
/** Kubernetes sets these for every service of the namespace; one may be called redis. */
const OF_KUBERNETES = /_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)$/;

/** Most likely misspelt: what begins as ours do and means nothing. */
export const unknownVariables = (variables: Variables): readonly string[] => {
  const known = new Set<string>([...Object.keys(EnvironmentSchema.properties), ...SECRETS.map((name) => `${name}_FILE`)]);
  return Object.entries(variables)
    .filter(([name, value]) => PREFIXES.some((prefix) => name.startsWith(prefix)) && !known.has(name) && !isOfKubernetes(name, value))
    .map(([name]) => name);
};

export const tellUnknown = (name: string): string =>
  `${name} is set and means nothing here; is it misspelt? (attune --help lists the variables)`;

const isOfKubernetes = (name: string, value = ''): boolean =>
  OF_KUBERNETES.test(name) || (name.endsWith('_PORT') && /^\w+:\/\//.test(value));

/** Editors end a file with a new line, which is not part of the secret. */
const readSecret = (path: string): string | { readonly fault: string } => {
  try {
    const secret = readFileSync(path, 'utf8').replace(/\r?\n$/, '');
    return secret === '' ? { fault: 'is empty' } : secret;
  } catch (error) {
    return { fault: `cannot be read (${(error as NodeJS.ErrnoException).code})` };
  }
};
