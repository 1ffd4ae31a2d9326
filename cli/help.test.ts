import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { COMMAND_HELP, helpOfCommand, helpText } from './help.ts';

/** How `serve` calls its own workers, and the API the process that judges a promotion. */
const INTERNAL = new Set(['worker', 'latency']);

test.each(Object.keys(COMMAND_HELP))('attune %s --help tells every option that the command takes, and no other', (name) => {
  const source = readFileSync(join(import.meta.dirname, 'commands', `${name}.ts`), 'utf8');
  const taken = [...source.matchAll(/'?([a-z-]+)'?: \{ type: '(?:string|boolean)'/g)].map(([, option]) => option!);
  const told = [...helpOfCommand(name)!.matchAll(/^ {2}--([a-z-]+)/gm)].map(([, option]) => option!);
  expect(told.toSorted()).toEqual(taken.filter((option) => !INTERNAL.has(option)).toSorted());
});

test('the general page lists every command, and what is no command has no page', () => {
  for (const name of Object.keys(COMMAND_HELP)) expect(helpText()).toMatch(new RegExp(`^  attune ${name} `, 'm'));
  expect(helpOfCommand('no-such')).toBeNull();
});
