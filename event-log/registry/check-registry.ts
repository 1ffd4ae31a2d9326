/** What is wrong with the schema registry, in sentences for `attune doctor`; nothing is changed unless it is asked to mend. */
import { AttuneError, TOPIC_CODECS } from '#contracts';
import type { RecordCodec, Topic } from '#contracts';
import type { RegistryClient } from './registry-client.ts';
import { COMPATIBILITY, subjectOf } from './subjects.ts';

export interface CheckRegistryOptions {
  readonly registry: RegistryClient;
  readonly topicPrefix?: string;
  /** Registers what is missing, and sets each subject's rule. */
  readonly fix?: boolean;
}

/** Empty: all is well. Never rejects for what a person has to mend. */
export const checkRegistry = async ({ registry, topicPrefix = '', fix = false }: CheckRegistryOptions): Promise<readonly string[]> => {
  const faults: string[] = [];
  for (const [topic, codec] of Object.entries(TOPIC_CODECS) as [Topic, RecordCodec<unknown>][]) {
    const subject = subjectOf(topicPrefix, topic);
    try {
      if (fix) await mend(registry, subject, codec);
      faults.push(...(await faultsOf(registry, subject, codec)));
    } catch (error) {
      if (!(error instanceof AttuneError)) throw error;
      faults.push(error.message);
      if (error.code !== 'registry.incompatible') return faults;
    }
  }
  return faults;
};

const mend = async (registry: RegistryClient, subject: string, codec: RecordCodec<unknown>): Promise<void> => {
  await registry.setCompatibility(subject, COMPATIBILITY);
  for (const { schema } of codec.versions) await registry.register(subject, schema);
};

const faultsOf = async (registry: RegistryClient, subject: string, codec: RecordCodec<unknown>): Promise<readonly string[]> => {
  if ((await registry.latest(subject)) === null) {
    return [`the schema registry has no subject ${subject}; attune doctor --fix registers it, and so does the first process that writes`];
  }
  const found: string[] = [];
  const level = await registry.compatibilityOf(subject);
  if (level !== COMPATIBILITY) {
    found.push(
      `subject ${subject} is under ${level ?? "the registry's own rule"}, not ${COMPATIBILITY}: a schema that running processes cannot read could be registered there; attune doctor --fix sets it`,
    );
  }
  for (const { schema } of codec.versions) {
    if ((await registry.idOf(subject, schema)) !== null) continue;
    found.push(`subject ${subject} lacks a schema of this version of Attune; attune doctor --fix registers it`);
  }
  return found;
};
