/** Social media, chat and anything else: a message as a webhook signed by Standard Webhooks (standardwebhooks.com). */
import { Webhook } from 'standardwebhooks';
import { AttuneError } from '#contracts';
import type { ChannelAdapter, OutboundMessage } from '#contracts';
import type { WebhookSettings } from '#project';
import type { AdapterDeps } from '../deps.ts';
import { call } from '../http/call.ts';
import { reach } from '../http/open-http-adapter.ts';
import { resolveHost } from '../http/resolve-host.ts';
import { resultOfCall } from '../http/result-of-call.ts';
import { createInHand } from '../in-hand.ts';
import { secretOf } from '../secrets.ts';

/** Throws `channels.secret-missing` or `channels.secret-invalid`. */
export const openWebhookAdapter = (channel: string, settings: WebhookSettings, deps: AdapterDeps): ChannelAdapter => {
  const { env, clock, allowPrivate } = deps;
  const webhook = openWebhook(settings.secretEnv, secretOf(env, settings.secretEnv));
  const url = new URL(settings.url);
  const inHand = createInHand();
  return {
    channel,
    // A receiver knows a message by its webhook-id.
    deduplicates: true,
    confirms: settings.confirms,
    send: (message, signal) =>
      inHand.send(signal, async (until) => {
        const at = new Date(clock());
        const body = JSON.stringify(payloadOf(message, at));
        const headers = {
          'content-type': 'application/json',
          'webhook-id': message.communicationId,
          'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
          'webhook-signature': webhook.sign(message.communicationId, at, body),
        };
        const { timeoutMs } = settings;
        const result = await call({ url, method: 'POST', headers, body: Buffer.from(body), timeoutMs, signal: until, allowPrivate });
        return resultOfCall(result, { providerId: 'id', clock });
      }),
    async check() {
      const resolved = await resolveHost(url.hostname, allowPrivate);
      if (resolved.kind === 'private')
        throw new Error(`${url.hostname} is at the private address ${resolved.address}, which may not be called`);
      await reach(url, settings.timeoutMs);
    },
    onReceipt: () => {},
    close: () => inHand.close(),
  };
};

/** Throws `channels.secret-invalid`. */
export const openWebhook = (variable: string, secret: string): Webhook => {
  try {
    return new Webhook(secret);
  } catch (cause) {
    throw new AttuneError('channels.secret-invalid', `${variable} must hold a Standard Webhooks secret: whsec_ and base64`, { cause });
  }
};

const payloadOf = (message: OutboundMessage, at: Date): object => ({
  type: 'message.send',
  timestamp: at.toISOString(),
  data: {
    communicationId: message.communicationId,
    channel: message.channel,
    address: message.address,
    content: message.content,
    language: message.language,
    expiresAt: new Date(message.expiresAtMs).toISOString(),
    attempt: message.attempt,
  },
});
