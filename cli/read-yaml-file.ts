/** A YAML file that a person wrote, checked by its schema: every fault at once, with the file's name. */
import { readFileSync } from 'node:fs';
import type { Static, TSchema } from 'typebox';
import { Check, Errors } from 'typebox/value';
import { parse } from 'yaml';
import { AttuneError } from '#contracts';

/** Throws `config.invalid`. @param what it is no …, if it is not */
export const readYamlFile = <T extends TSchema>(path: string, schema: T, what: string): Static<T> => {
  let document: unknown;
  try {
    document = parse(readFileSync(path, 'utf8')) ?? {};
  } catch (cause) {
    throw new AttuneError('config.invalid', `--map: ${path} cannot be read: ${(cause as Error).message}`, { cause });
  }
  if (Check(schema, document)) return document;
  const faults = [...Errors(schema, document)].map(({ instancePath, message }) => `  ${instancePath.slice(1) || 'the file'} ${message}`);
  throw new AttuneError('config.invalid', `${path} is no ${what}:\n${faults.join('\n')}`);
};
