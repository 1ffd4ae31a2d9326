/** What is wrong with the topics that sources.yaml names, in sentences for `attune doctor`. */
import { AttuneError } from '#contracts';
import type { RegistryClient, SourceLog } from '#event-log';
import type { Source } from '#project';
import { decoderOf } from './decoder-of.ts';
import { ingestGroup } from './ingest-role.ts';

export interface CheckSourcesOptions {
  readonly sources: readonly Source[];
  readonly openSourceLog: (brokers: readonly string[] | null) => SourceLog;
  readonly registry: RegistryClient | null;
}

/** Empty: all is well. Sources that are not enabled are not looked at. */
export const checkSources = async ({ sources, openSourceLog, registry }: CheckSourcesOptions): Promise<readonly string[]> => {
  const faults: string[] = [];
  for (const source of sources.filter(({ enabled }) => enabled)) {
    const log = openSourceLog(source.brokers);
    try {
      decoderOf(source, registry);
      faults.push(...(await faultsOf(source, log)));
    } catch (error) {
      if (!(error instanceof AttuneError)) throw error;
      faults.push(`source ${source.name}: ${error.message}`);
    } finally {
      await log.close();
    }
  }
  return faults;
};

const faultsOf = async ({ name, topic, brokers }: Source, log: SourceLog): Promise<readonly string[]> => {
  if ((await log.describe(topic, ingestGroup(name))) !== null) return [];
  const where = brokers === null ? '' : ` at ${brokers.join(', ')}`;
  return [
    `source ${name} reads the topic ${topic}, which is not there${where} or may not be seen; create it, grant Read and Describe, or disable the source`,
  ];
};
