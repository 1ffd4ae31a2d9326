/** A role's output line as a person reads it: pino's JSON becomes time, level, message and fields; anything else stays as it is. */

const LEVELS: Readonly<Record<number, string>> = { 10: 'trace', 20: 'debug', 30: 'info', 40: 'warn', 50: 'error', 60: 'fatal' };
const SILENT_FIELDS = new Set(['level', 'time', 'msg', 'pid', 'hostname', 'name', 'role', 'reqId']);

export const readableLine = (line: string): string => {
  if (!line.startsWith('{')) return line;
  let entry: Record<string, unknown>;
  try {
    entry = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return line;
  }
  const level = LEVELS[entry['level'] as number];
  if (level === undefined) return line;
  const fields = Object.entries(entry)
    .filter(([name]) => !SILENT_FIELDS.has(name))
    .map(([name, value]) => `${name}=${readableValue(value)}`);
  return [level === 'info' ? '' : level.toUpperCase(), readableValue(entry['msg'] ?? ''), ...fields]
    .filter((part) => part !== '')
    .join(' ');
};

const readableValue = (value: unknown): string => {
  if (typeof value !== 'object' || value === null) return String(value);
  const { message, code } = value as { message?: unknown; code?: unknown };
  return typeof message === 'string' ? `${typeof code === 'string' ? `${code}: ` : ''}${message}` : JSON.stringify(value);
};
