/** The secrets of channels: environment variables that channels.yaml names. */
import { AttuneError } from '#contracts';
import type { ChannelDefinition, Channels, ReceiptSettings } from '#project';

type Environment = Readonly<Record<string, string | undefined>>;

/** The value of a variable that `refuseMissingSecrets` has found. Throws `channels.secret-missing`. */
export const secretOf = (env: Environment, variable: string): string => {
  const value = env[variable];
  if (value === undefined || value === '')
    throw new AttuneError('channels.secret-missing', `${variable} is not set; a channel of channels.yaml needs it`);
  return value;
};

/** Throws `channels.secret-missing` with every variable that is not set, and the channels that need it. */
export const refuseMissingSecrets = (channels: Channels, env: Environment): void => {
  const missing = [...channels.channels.values()].flatMap((definition) =>
    variablesOf(definition)
      .filter((variable) => (env[variable] ?? '') === '')
      .map((variable) => `${variable} is not set, and channel '${definition.name}' of channels.yaml needs it`),
  );
  if (missing.length > 0) throw new AttuneError('channels.secret-missing', missing.join('\n'));
};

const variablesOf = ({ settings }: ChannelDefinition): readonly string[] => {
  switch (settings.adapter) {
    case 'smtp':
      return [settings.userEnv, settings.passwordEnv, ...variablesOfReceipt(settings.receipt)].filter((name) => name !== null);
    case 'smpp':
      return [settings.systemIdEnv, settings.passwordEnv];
    case 'http':
      return [...settings.headersEnv.values(), ...variablesOfReceipt(settings.receipt)];
    case 'webhook':
      return [settings.secretEnv];
    case 'file':
      return [];
  }
};

const variablesOfReceipt = (receipt: ReceiptSettings | null): readonly string[] => {
  if (receipt === null) return [];
  const { by } = receipt;
  switch (by.kind) {
    case 'token':
      return [by.tokenEnv];
    case 'basic':
      return [by.userEnv, by.passwordEnv];
    case 'signature':
      return [by.secretEnv];
  }
};
