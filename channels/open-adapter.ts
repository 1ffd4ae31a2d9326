/** Opens the adapter of one channel. */
import type { ChannelAdapter } from '#contracts';
import type { ChannelDefinition } from '#project';
import type { AdapterDeps } from './deps.ts';
import { openFileAdapter } from './file/open-file-adapter.ts';
import { openHttpAdapter } from './http/open-http-adapter.ts';
import { openSmppAdapter } from './smpp/open-smpp-adapter.ts';
import { openSmtpAdapter } from './smtp/open-smtp-adapter.ts';
import { openWebhookAdapter } from './webhook/open-webhook-adapter.ts';

/** Throws `channels.secret-missing` or `channels.secret-invalid`. Connections come about with the first send or check. */
export const openAdapter = (definition: ChannelDefinition, deps: AdapterDeps): ChannelAdapter => {
  const { name, settings } = definition;
  switch (settings.adapter) {
    case 'smtp':
      return openSmtpAdapter(definition, settings, deps);
    case 'smpp':
      return openSmppAdapter(name, settings, deps);
    case 'http':
      return openHttpAdapter(name, settings, deps);
    case 'webhook':
      return openWebhookAdapter(name, settings, deps);
    case 'file':
      return openFileAdapter(name, settings, deps);
  }
};
