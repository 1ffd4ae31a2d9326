/** The roles' numbers in Prometheus' text format: `attune_<role>_<name>`, counters end in `_total`, times are in seconds. */
import type { Role } from '#pipeline';
import { metricWords } from './metric-words.ts';

export const roleMetrics = (roles: readonly Pick<Role, 'name' | 'metrics'>[]): string =>
  roles.flatMap((role) => Object.entries(role.metrics()).map(([name, value]) => formatMetric(role.name, name, value))).join('');

const formatMetric = (role: string, name: string, value: number): string => {
  const { kind, help } = metricWords(role, name) ?? { kind: 'gauge', help: `${name} of the role ${role}` };
  const isTime = name.endsWith('Ms');
  const metric = `attune_${snakeCase(role)}_${snakeCase(isTime ? `${name.slice(0, -2)}Seconds` : name)}${kind === 'counter' ? '_total' : ''}`;
  const shown = isTime ? value / 1_000 : value;
  return `# HELP ${metric} ${help}\n# TYPE ${metric} ${kind}\n${metric} ${Number.isFinite(shown) ? shown : 'NaN'}\n`;
};

const snakeCase = (name: string): string =>
  name
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replaceAll(/\W+/g, '_')
    .toLowerCase();
