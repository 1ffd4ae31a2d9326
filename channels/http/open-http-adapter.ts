/** SMS gateways and whatever else takes a message by one HTTP request of its own form. */
import { connect } from 'node:net';
import type { ChannelAdapter, OutboundMessage } from '#contracts';
import type { HttpSettings } from '#project';
import type { AdapterDeps } from '../deps.ts';
import { createInHand } from '../in-hand.ts';
import { secretOf } from '../secrets.ts';
import { call } from './call.ts';
import type { Call } from './call.ts';
import { resultOfCall } from './result-of-call.ts';
import { fill, fillJson, valuesOf } from './template.ts';
import type { Values } from './template.ts';

/** Throws `channels.secret-missing`. */
export const openHttpAdapter = (channel: string, settings: HttpSettings, { env, clock }: AdapterDeps): ChannelAdapter => {
  const secrets = Object.fromEntries([...settings.headersEnv].map(([header, variable]) => [header, secretOf(env, variable)]));
  const inHand = createInHand();

  const callOf = (message: OutboundMessage, signal: AbortSignal): Call => {
    const values = valuesOf(message);
    const headers = Object.fromEntries([...settings.headers].map(([header, template]) => [header, fill(template, values, asHeader)]));
    const body = bodyOf(settings, values);
    return {
      url: new URL(fill(settings.url, values, encodeURIComponent)),
      method: settings.method,
      headers: {
        ...(body !== null && { 'content-type': settings.format === 'json' ? 'application/json' : 'application/x-www-form-urlencoded' }),
        ...headers,
        ...secrets,
        ...(settings.idempotencyHeader !== null && { [settings.idempotencyHeader]: message.communicationId }),
      },
      body,
      timeoutMs: settings.timeoutMs,
      signal,
      // The operator's own gateway, named in the catalog: it may well stand in the operator's own network.
      allowPrivate: true,
    };
  };

  return {
    channel,
    deduplicates: settings.idempotencyHeader !== null,
    confirms: settings.receipt !== null,
    send: (message, signal) =>
      inHand.send(signal, async (until) => {
        let request: Call;
        try {
          request = callOf(message, until);
        } catch (error) {
          return { kind: 'refused', reason: (error as Error).message };
        }
        return resultOfCall(await call(request), { providerId: settings.providerId, clock });
      }),
    async check(signal) {
      if (settings.checkUrl === null) return reach(new URL(settings.url), settings.timeoutMs);
      const { timeoutMs } = settings;
      const result = await call({
        url: new URL(settings.checkUrl),
        method: 'GET',
        headers: secrets,
        body: null,
        timeoutMs,
        signal,
        allowPrivate: true,
      });
      if (result.kind !== 'answer') throw new Error(`${settings.checkUrl}: ${result.reason}`);
      if (result.status >= 300) throw new Error(`${settings.checkUrl} answers ${result.status}`);
    },
    onReceipt: () => {},
    close: () => inHand.close(),
  };
};

const asHeader = (text: string): string => text.replaceAll(/[^\t\x20-\x7E]/g, '?');

const bodyOf = ({ body, format }: HttpSettings, values: Values): Buffer | null => {
  if (body === null) return null;
  const filled = fillJson(body, values);
  if (format === 'json') return Buffer.from(JSON.stringify(filled));
  const fields = Object.entries(filled as Record<string, unknown>).map(([name, value]): [string, string] => [name, String(value)]);
  return Buffer.from(new URLSearchParams(fields).toString());
};

/** Rejects when no connection comes about. */
export const reach = (url: URL, timeoutMs: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
    const socket = connect({ host: url.hostname.replace(/^\[|\]$/g, ''), port, timeout: timeoutMs });
    const fail = (why: string): void => {
      socket.destroy();
      reject(new Error(`${url.host} cannot be reached: ${why}`));
    };
    socket.once('connect', () => {
      socket.destroy();
      resolve();
    });
    socket.once('timeout', () => fail('no answer in time'));
    socket.once('error', (error: Error & { code?: string }) => fail(error.code ?? error.message));
  });
