/** Reads `settings` of a channel: what its adapter needs to reach its peer. */
import type {
  AdapterKind,
  ChannelSettings,
  FileSettings,
  HttpSettings,
  ReceiptSettings,
  SmppSettings,
  SmtpSettings,
  WebhookSettings,
} from './channels.ts';
import { isRecord } from './fields.ts';
import type { Fields } from './fields.ts';

export const ADAPTERS: readonly AdapterKind[] = ['smtp', 'smpp', 'http', 'webhook', 'file'];

const PORT = [1, 65_535] as const;
const RECEIPT_STATES = ['delivered', 'failed', 'bounced', 'expired'] as const;

export const readSettings = (adapter: AdapterKind, fields: Fields): ChannelSettings => {
  const settings = READERS[adapter](fields);
  fields.refuseUnknown();
  return settings;
};

const readSmtp = (fields: Fields): SmtpSettings => {
  const settings: SmtpSettings = {
    adapter: 'smtp',
    host: fields.text('host'),
    port: fields.whole('port', PORT, 25),
    security: fields.oneOf('security', ['none', 'opportunistic', 'starttls', 'tls'], 'opportunistic'),
    from: fields.text('from'),
    replyTo: fields.text('replyTo', null),
    returnPath: fields.text('returnPath', null),
    format: fields.oneOf('format', ['html', 'text'], 'html'),
    notifications: fields.flag('notifications', false),
    userEnv: fields.variable('userEnv', null),
    passwordEnv: fields.variable('passwordEnv', null),
    timeoutMs: fields.duration('timeout', 30_000),
    receipt: readReceipt(fields.below('receipt'), 'guard'),
  };
  if ((settings.userEnv === null) !== (settings.passwordEnv === null)) fields.fault(null, 'userEnv and passwordEnv go together');
  if (settings.userEnv !== null && settings.security === 'none') fields.fault('security', 'a password does not go over a plain connection');
  for (const key of ['from', 'replyTo', 'returnPath'] as const) {
    const value = settings[key];
    if (value !== null && !/^[^\r\n]*[^\s<>@]+@[^\s<>@]+>?$/.test(value)) fields.fault(key, `'${key}' must be an e-mail address`);
  }
  return settings;
};

const readSmpp = (fields: Fields): SmppSettings => ({
  adapter: 'smpp',
  host: fields.text('host'),
  port: fields.whole('port', PORT, 2_775),
  tls: fields.flag('tls', false),
  from: fields.text('from'),
  systemType: fields.text('systemType', ''),
  systemIdEnv: fields.variable('systemIdEnv'),
  passwordEnv: fields.variable('passwordEnv'),
  enquireLinkMs: fields.duration('enquireLink', 30_000),
  timeoutMs: fields.duration('timeout', 10_000),
  longMessages: fields.oneOf('longMessages', ['udh', 'payload'], 'udh'),
  receipts: fields.flag('receipts', true),
  messageIds: fields.oneOf('messageIds', ['same', 'hexadecimal'], 'same'),
});

const readHttp = (fields: Fields): HttpSettings => {
  const settings: HttpSettings = {
    adapter: 'http',
    url: urlOf(fields, 'url'),
    method: fields.oneOf('method', ['POST', 'PUT', 'GET'], 'POST'),
    headers: fields.map('headers'),
    headersEnv: fields.map('headersEnv'),
    format: fields.oneOf('format', ['json', 'form'], 'json'),
    body: fields.any('body') ?? null,
    providerId: fields.text('providerId', null),
    idempotencyHeader: fields.text('idempotencyHeader', null),
    checkUrl: fields.given['checkUrl'] === undefined ? fields.text('checkUrl', null) : urlOf(fields, 'checkUrl'),
    timeoutMs: fields.duration('timeout', 10_000),
    receipt: readReceipt(fields.below('receipt'), 'form'),
  };
  for (const [header, variable] of settings.headersEnv) {
    if (!/^[A-Z][A-Z0-9_]*$/.test(variable)) fields.fault('headersEnv', `'${header}' must name an environment variable, not '${variable}'`);
  }
  for (const header of [...settings.headers.keys(), ...settings.headersEnv.keys(), settings.idempotencyHeader ?? 'X']) {
    if (!/^[A-Za-z0-9-]+$/.test(header)) fields.fault(null, `'${header}' is not the name of a header`);
  }
  if (settings.method === 'GET' && settings.body !== null) fields.fault('body', 'a GET has no body; write the fields into url');
  if (settings.format === 'form' && settings.body !== null && !isFlat(settings.body))
    fields.fault('body', 'a form is a mapping from field to text');
  return settings;
};

const isFlat = (body: unknown): boolean =>
  isRecord(body) && Object.values(body).every((value) => typeof value !== 'object' || value === null);

const readWebhook = (fields: Fields): WebhookSettings => ({
  adapter: 'webhook',
  url: urlOf(fields, 'url'),
  secretEnv: fields.variable('secretEnv'),
  confirms: fields.flag('confirms', false),
  timeoutMs: fields.duration('timeout', 10_000),
});

const readFile = (fields: Fields): FileSettings => {
  const path = fields.text('path');
  if (path.startsWith('/') || path.split(/[/\\]/).includes('..'))
    fields.fault('path', 'path is relative to the data directory, and stays in it');
  return { adapter: 'file', path };
};

const READERS: { readonly [K in AdapterKind]: (fields: Fields) => ChannelSettings } = {
  smtp: readSmtp,
  smpp: readSmpp,
  http: readHttp,
  webhook: readWebhook,
  file: readFile,
};

const urlOf = (fields: Fields, key: string): string => {
  const text = fields.text(key);
  // Templates stand in the path or the query: who is called does not depend on what is sent.
  if (text !== '' && !/^https?:\/\/[^\s{}/?#]+([/?#]\S*)?$/.test(text)) {
    fields.fault(key, `'${key}' must be an http or https URL whose host is fixed, not ${JSON.stringify(text)}`);
  }
  return text;
};

/** @param what `guard`: only how the peer shows itself; the form is known (mail) */
const readReceipt = (fields: Fields | null, what: 'guard' | 'form'): ReceiptSettings | null => {
  if (fields === null) return null;
  const by = guardOf(fields);
  const path = (key: string): string | null => (what === 'guard' ? null : fields.text(key, null));
  const settings: ReceiptSettings = {
    by,
    communicationId: path('communicationId'),
    providerId: path('providerId'),
    state: path('state'),
    reason: path('reason'),
    at: path('at'),
    states: what === 'guard' ? new Map() : statesOf(fields.below('states')),
  };
  if (what === 'form') {
    if (settings.state === null || settings.states.size === 0) fields.fault(null, "a receipt needs 'state' and 'states'");
    if (settings.communicationId === null && settings.providerId === null) {
      fields.fault(null, "a receipt needs 'communicationId' or 'providerId', to name its message");
    }
  }
  fields.refuseUnknown();
  return settings;
};

const guardOf = (fields: Fields): ReceiptSettings['by'] => {
  const [tokenEnv, userEnv, passwordEnv, secretEnv] = ['tokenEnv', 'userEnv', 'passwordEnv', 'secretEnv'].map((key) =>
    fields.variable(key, null),
  ) as [string | null, string | null, string | null, string | null];
  const given = [tokenEnv, userEnv ?? passwordEnv, secretEnv].filter((name) => name !== null);
  if (given.length === 1) {
    if (tokenEnv !== null) return { kind: 'token', tokenEnv };
    if (secretEnv !== null) return { kind: 'signature', secretEnv };
    if (userEnv !== null && passwordEnv !== null) return { kind: 'basic', userEnv, passwordEnv };
  }
  fields.fault(null, 'a receipt needs one proof of who sends it: tokenEnv, userEnv with passwordEnv, or secretEnv');
  return { kind: 'token', tokenEnv: '' };
};

const statesOf = (fields: Fields | null): ReceiptSettings['states'] => {
  const states = new Map<string, (typeof RECEIPT_STATES)[number]>();
  for (const state of RECEIPT_STATES) for (const word of fields?.texts(state) ?? []) states.set(word.toLowerCase(), state);
  fields?.refuseUnknown();
  return states;
};
