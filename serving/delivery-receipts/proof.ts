/** Whether who brings a delivery receipt is the channel's peer. */
import { hash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { Webhook } from 'standardwebhooks';
import type { ChannelDefinition, ReceiptSettings } from '#project';
import { ProblemError } from '../errors/problem.ts';

export type Environment = Readonly<Record<string, string | undefined>>;
export type Proof = ReceiptSettings['by'];

export interface Presented {
  readonly headers: IncomingHttpHeaders;
  /** Of the path or the query; null: none. */
  readonly token: string | null;
  readonly body: Buffer;
}

/** What the peer of a channel has to show; null: the channel takes no receipts over HTTP. */
export const proofOf = ({ settings }: ChannelDefinition): Proof | null => {
  switch (settings.adapter) {
    case 'webhook':
      return settings.confirms ? { kind: 'signature', secretEnv: settings.secretEnv } : null;
    case 'http':
      return settings.receipt?.by ?? null;
    case 'smtp':
      return settings.notifications ? (settings.receipt?.by ?? null) : null;
    case 'smpp':
    case 'file':
      return null;
  }
};

/** Throws a 503 problem when this process was not given the secret: then it can tell neither true from forged. */
export const isProven = (by: Proof, { headers, token, body }: Presented, env: Environment): boolean => {
  switch (by.kind) {
    case 'token':
      return token !== null && isSame(token, secretOf(env, by.tokenEnv));
    case 'basic': {
      const expected = Buffer.from(`${secretOf(env, by.userEnv)}:${secretOf(env, by.passwordEnv)}`).toString('base64');
      const [scheme = '', given = ''] = (headers.authorization ?? '').split(' ');
      return scheme.toLowerCase() === 'basic' && isSame(given, expected);
    }
    case 'signature':
      return isSigned(openWebhook(env, by.secretEnv), headers, body);
  }
};

/** What to send, for whoever sent something else. */
export const demandOf = (by: Proof): string => {
  switch (by.kind) {
    case 'token':
      return 'the token of the channel is missing or wrong: append it to the path, or send it as ?token=';
    case 'basic':
      return 'user and password of the channel are missing or wrong: send "authorization: Basic …"';
    case 'signature':
      return (
        'the signature is missing, wrong or older than five minutes: sign the body as it is sent by Standard Webhooks, with the secret of the channel ' +
        '(headers webhook-id, webhook-timestamp, webhook-signature)'
      );
  }
};

/** Digests are of one length, so that the time says nothing of the secret. */
const isSame = (given: string, expected: string): boolean =>
  timingSafeEqual(hash('sha256', given, 'buffer'), hash('sha256', expected, 'buffer'));

const isSigned = (webhook: Webhook, headers: IncomingHttpHeaders, body: Buffer): boolean => {
  const names = ['webhook-id', 'webhook-timestamp', 'webhook-signature'] as const;
  const told = names.map((name) => [name, headers[name]] as const);
  if (!told.every((pair): pair is [(typeof names)[number], string] => typeof pair[1] === 'string')) return false;
  try {
    webhook.verify(body, Object.fromEntries(told), { jsonParse: false });
    return true;
  } catch {
    return false;
  }
};

const secretOf = (env: Environment, variable: string): string => {
  const value = env[variable];
  if (value === undefined || value === '') throw notConfigured(`${variable} is not set`);
  return value;
};

const openWebhook = (env: Environment, variable: string): Webhook => {
  const secret = secretOf(env, variable);
  try {
    return new Webhook(secret);
  } catch {
    throw notConfigured(`${variable} does not hold a Standard Webhooks secret`);
  }
};

const notConfigured = (why: string): ProblemError =>
  new ProblemError(503, 'not-configured', `the API cannot tell true receipts of this channel from forged ones: ${why}`);
