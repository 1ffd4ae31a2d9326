/** Nobody opens the API to others without keys. */
import { AttuneError } from '#contracts';
import { parseApiKeys, refusalToOpen } from '#serving';
import type { ApiKey } from '#serving';
import type { Config } from './config.ts';

/** Throws `api-keys.invalid`, or `config.refused` for a host that others can reach without keys. */
export const refuseOpenDoor = (config: Config): readonly ApiKey[] => {
  const keys = parseApiKeys(config.apiKeys);
  const refusal = refusalToOpen(config.host, keys);
  if (refusal !== null) throw new AttuneError('config.refused', refusal);
  return keys;
};
