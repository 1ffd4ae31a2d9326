/** A mail server for tests of whoever sends to one; it can go away and come back at its port. */
import type { AddressInfo } from 'node:net';
import { simpleParser } from 'mailparser';
import { SMTPServer } from 'smtp-server';
import type { SmtpSettings } from '#project';
import type { Peer } from '../contract-suite.ts';

export interface Mail {
  readonly from: string;
  readonly to: readonly string[];
  readonly args: Readonly<Record<string, unknown>>;
  readonly source: Buffer;
}

export interface MailPeer extends Peer {
  readonly port: number;
  readonly mails: readonly Mail[];
  /** Cuts connections that are open. */
  cut(): void;
}

const failure = (code: number, text: string): Error => Object.assign(new Error(text), { responseCode: code });

export const startMailPeer = async (): Promise<MailPeer> => {
  const mails: Mail[] = [];
  let how = 'well';
  let server: SMTPServer;
  let port = 0;
  const create = (): SMTPServer =>
    new SMTPServer({
      authOptional: true,
      hideENHANCEDSTATUSCODES: false,
      disabledCommands: ['STARTTLS'],
      allowInsecureAuth: true,
      closeTimeout: 50,
      onRcptTo: ({ address }, _, done) => {
        if (how === 'refusing') return done(failure(550, `<${address}>: no such user (${address})`));
        return how === 'busy' ? done(failure(451, 'greylisted')) : done();
      },
      onData(stream, session, done) {
        const chunks: Buffer[] = [];
        stream.on('data', (chunk: Buffer) => chunks.push(chunk));
        stream.on('end', () => {
          if (how === 'silent') return;
          const { mailFrom, rcptTo } = session.envelope;
          const from = mailFrom === false ? '' : mailFrom.address;
          mails.push({
            from,
            to: rcptTo.map(({ address }) => address),
            args: (mailFrom && mailFrom.args) || {},
            source: Buffer.concat(chunks),
          });
          done(null, 'queued as 4XYZ');
        });
      },
    });
  const start = async (): Promise<void> => {
    server = create();
    server.on('error', () => {});
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    ({ port } = server.server.address() as AddressInfo);
  };
  await start();
  const cut = (): void => {
    for (const { _socket: socket } of server.connections as unknown as Set<{ _socket: { destroy(): void } }>) socket.destroy();
  };
  return {
    get port() {
      return port;
    },
    mails,
    cut,
    behave: (next) => void (how = next),
    async arrived() {
      return Promise.all(
        mails.map(async ({ to, source }) => ({ address: to.join(), text: ((await simpleParser(source)).text ?? '').trim() })),
      );
    },
    start,
    stop: () =>
      new Promise((resolve) => {
        cut();
        server.close(() => resolve());
      }),
  };
};

export const settingsOf = (port: number, more: Partial<SmtpSettings> = {}): SmtpSettings => ({
  adapter: 'smtp',
  host: '127.0.0.1',
  port,
  security: 'opportunistic',
  from: 'Attune <care@example.org>',
  replyTo: null,
  returnPath: null,
  format: 'html',
  notifications: false,
  userEnv: null,
  passwordEnv: null,
  timeoutMs: 500,
  receipt: null,
  ...more,
});
