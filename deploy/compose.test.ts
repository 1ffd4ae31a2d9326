import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { readConfig } from '../cli/config.ts';
import { describeVariables } from '../cli/config/variables.ts';

const read = (name: string): string => readFileSync(new URL(`../${name}`, import.meta.url), 'utf8');

interface Service {
  readonly image: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly depends_on?: Readonly<Record<string, unknown>>;
  readonly healthcheck?: { readonly test?: readonly string[]; readonly disable?: boolean };
  readonly restart?: string;
  readonly logging?: { readonly options: Readonly<Record<string, string>> };
  readonly deploy?: { readonly resources?: { readonly limits?: { readonly cpus?: string; readonly memory?: string } } };
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
}

const text = read('docker-compose.yml');
const compose = parse(text, { merge: true }) as {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
};
const services = Object.entries(compose.services);
const ours = services.filter(([, service]) => service.image.startsWith('attune:'));

/** NAME=value lines. */
const example = new Map(
  read('.env.example')
    .split('\n')
    .filter((line) => /^[A-Z]/.test(line))
    .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)] as const),
);

/** As docker compose fills in `${NAME}`, `${NAME:-default}` and `${NAME:?complaint}`. */
const filledIn = (value: string, values: ReadonlyMap<string, string>): string =>
  value.replaceAll(/\$\{(\w+)(?::-([^}]*)|:\?[^}]*)?\}/g, (_all, name: string, fallback = '') => values.get(name) || fallback);

describe('docker-compose.yml', () => {
  test('every service is of a pinned image, has limits, a bounded log, and is started again', () => {
    for (const [name, service] of services) {
      expect(service.image, name).toMatch(/:[^:]+$/);
      expect(service.image, name).not.toMatch(/:latest$/);
      expect(service.deploy?.resources?.limits, name).toEqual({
        cpus: expect.stringMatching(/^[\d.]+$/),
        memory: expect.stringMatching(/^\d+[MG]$/),
      });
      expect(service.logging?.options['max-size'], name).toBeDefined();
      expect(service.restart, name).toBe({ prepare: 'on-failure:5', tools: 'no' }[name] ?? 'unless-stopped');
    }
  });

  test('every service tells its health; those that end do not', () => {
    for (const [name, service] of services) {
      if (['prepare', 'tools'].includes(name)) expect(service.healthcheck).toEqual({ disable: true });
      else expect(service.healthcheck?.test?.[0], name).toMatch(/^CMD/);
    }
  });

  test('what is named is there: services, volumes, files', () => {
    for (const [name, service] of services) {
      for (const other of Object.keys(service.depends_on ?? {})) expect(Object.keys(compose.services), name).toContain(other);
      for (const volume of service.volumes ?? []) {
        const from = volume.split(':')[0]!;
        if (from.startsWith('./')) expect(existsSync(fileURLToPath(new URL(`../${from}`, import.meta.url))), volume).toBe(true);
        else if (!from.startsWith('/')) expect(Object.keys(compose.volumes), name).toContain(from);
      }
    }
  });

  test('Attune runs without rights, on a file system that it cannot write to, with its data on a volume', () => {
    expect(ours.map(([name]) => name)).toEqual(['prepare', 'serve', 'pipeline', 'tools']);
    for (const [, service] of ours) expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'] });
    expect(compose.services['serve']!.volumes).toEqual(['outbox:/data']);
    expect(compose.services['pipeline']!.volumes).toEqual(['/data']);
    // Snapshots outlive the container that took them, and it is not started with the others.
    expect(compose.services['tools']).toMatchObject({ volumes: ['snapshots:/data'], profiles: ['tools'] });
    expect(read('Dockerfile')).toMatch(/^USER node$/m);
  });

  test('every variable that Attune is given has a meaning, and together they are a configuration', () => {
    const known = new Set(describeVariables().map(({ name }) => name));
    const secrets = new Map([...example.keys()].map((name) => [name, example.get(name) || 'c0ffee'.repeat(6)]));
    secrets.set('ATTUNE_API_KEYS', 'app:decide+observe:c0ffeec0ffeec0ffee');
    for (const [name, service] of ours) {
      const variables = Object.entries(service.environment ?? {});
      for (const [variable] of variables) if (variable !== 'HEALTH_URL') expect(known, name).toContain(variable);
      const config = readConfig(Object.fromEntries(variables.map(([variable, value]) => [variable, filledIn(value, secrets)])));
      expect(config.unknown).toEqual([]);
      expect(config.clickhouse.url).toBe('http://clickhouse:8123');
    }
  });

  test('.env.example names each variable that is filled in, no other, and no secret', () => {
    const wanted = new Set([...text.matchAll(/(?<!\$)\$\{(\w+)/g)].map((match) => match[1]!));
    expect([...example.keys()].toSorted()).toEqual([...wanted].toSorted());
    const required = new Set([...text.matchAll(/\$\{(\w+):\?/g)].map((match) => match[1]!));
    for (const name of required) expect(example.get(name), name).toBe('');
    for (const [name, value] of example) if (!required.has(name)) expect(value, name).not.toBe('');
  });

  test('defaults of the file and of the example agree', () => {
    for (const [, name, fallback] of text.matchAll(/\$\{(\w+):-([^}]*)\}/g)) expect(example.get(name!), name).toBe(fallback);
  });

  test('.env stays out of the repository and out of the image', () => {
    expect(read('.gitignore').split('\n')).toContain('.env');
    expect(read('.dockerignore').split('\n')).toContain('.env');
  });
});
