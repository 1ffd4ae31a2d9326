/** The roles' numbers in Prometheus' text format: `attune_<role>_<name>`, counters end in `_total`, times are in seconds. */
import type { Role } from '#pipeline';
import { metricWords } from './metric-words.ts';

export const roleMetrics = (roles: readonly Pick<Role, 'name' | 'metrics'>[]): string =>
  roles.flatMap((role) => [...byName(role.metrics())].map(([name, samples]) => formatMetric(role.name, name, samples))).join('');

/** A metric may come with labels, `name{loop="x"}`; all its samples stand together. */
const byName = (metrics: Readonly<Record<string, number>>): Map<string, (readonly [string, number])[]> => {
  const names = new Map<string, (readonly [string, number])[]>();
  for (const [key, value] of Object.entries(metrics)) {
    const at = key.indexOf('{');
    const name = at < 0 ? key : key.slice(0, at);
    names.set(name, [...(names.get(name) ?? []), [at < 0 ? '' : key.slice(at), value]]);
  }
  return names;
};

const formatMetric = (role: string, name: string, samples: readonly (readonly [string, number])[]): string => {
  const { kind, help } = metricWords(role, name) ?? { kind: 'gauge', help: `${name} of the role ${role}` };
  const isTime = name.endsWith('Ms');
  const metric = `attune_${snakeCase(role)}_${snakeCase(isTime ? `${name.slice(0, -2)}Seconds` : name)}${kind === 'counter' ? '_total' : ''}`;
  const lines = samples.map(([labels, value]) => `${metric}${labels} ${shown(isTime ? value / 1_000 : value)}\n`);
  return `# HELP ${metric} ${help}\n# TYPE ${metric} ${kind}\n${lines.join('')}`;
};

const shown = (value: number): string => (Number.isFinite(value) ? String(value) : 'NaN');

const snakeCase = (name: string): string =>
  name
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replaceAll(/\W+/g, '_')
    .toLowerCase();
