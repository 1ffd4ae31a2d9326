/** A bound session with an SMSC that is opened again whenever it breaks. */
import smpp from 'smpp';
import type { Pdu, Session } from 'smpp';

export interface LinkOptions {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  readonly systemId: string;
  readonly password: string;
  readonly systemType: string;
  readonly enquireLinkMs: number;
  readonly timeoutMs: number;
  readonly onDeliver: (pdu: Pdu) => Promise<Pdu>;
}

export interface Link {
  /** The session, once bound. Rejects with a sentence when the SMSC cannot be reached or refuses us. */
  bound(): Promise<Session>;
  /** Unbinds. Safe to call twice. */
  close(): Promise<void>;
}

const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 30_000;

/** Receipts come over the session, so it is kept open without a message to send, too. */
export const createLink = (options: LinkOptions): Link => {
  let binding: Promise<Session> | null = null;
  let retry: NodeJS.Timeout | undefined;
  let failures = 0;
  let isClosed = false;

  const again = (): void => {
    binding = null;
    clearTimeout(retry);
    if (isClosed) return;
    retry = setTimeout(() => void bound().catch(() => {}), Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** failures++));
    retry.unref();
  };

  const bound = (): Promise<Session> => {
    if (isClosed) return Promise.reject(new Error('the channel is closing'));
    if (binding !== null) return binding;
    clearTimeout(retry);
    const opening = bind(options, again);
    binding = opening;
    opening.then(
      () => (failures = 0),
      () => {},
    );
    return opening;
  };

  return {
    bound,
    async close() {
      if (isClosed) return;
      isClosed = true;
      clearTimeout(retry);
      const session = await binding?.catch(() => null);
      if (session !== null && session !== undefined) await unbind(session, options.timeoutMs);
    },
  };
};

const bind = (options: LinkOptions, onEnd: () => void): Promise<Session> =>
  new Promise((resolve, reject) => {
    const { host, port, tls, systemId, password, systemType, timeoutMs, enquireLinkMs, onDeliver } = options;
    const session = smpp.connect({ host, port, tls });
    // One listener a message in hand.
    session.setMaxListeners(0);
    let alive: NodeJS.Timeout | undefined;
    let why = `${host}:${port} closed the connection`;
    const deadline = setTimeout(() => end(`${host}:${port} does not answer`), timeoutMs);
    const end = (reason: string): void => {
      why = reason;
      session.destroy();
    };
    session.on('error', (error: Error & { code?: string }) => end(`${host}:${port}: ${error.code ?? error.message}`));
    session.once('close', () => {
      clearTimeout(deadline);
      clearInterval(alive);
      onEnd();
      reject(new Error(why));
    });
    session.on('deliver_sm', (pdu: Pdu) => void onDeliver(pdu).then((response) => session.send(response)));
    session.on('enquire_link', (pdu: Pdu) => session.send(pdu.response()));
    session.on('unbind', (pdu: Pdu) => {
      session.send(pdu.response());
      session.close();
    });
    session.once(tls ? 'secureConnect' : 'connect', () =>
      session.bind_transceiver({ system_id: systemId, password, system_type: systemType, interface_version: 0x34 }, (response) => {
        clearTimeout(deadline);
        if (response.command_status !== 0) return end(`the SMSC refuses to bind: ${nameOfStatus(response.command_status)}`);
        alive = setInterval(() => enquire(session, timeoutMs, end), enquireLinkMs);
        alive.unref();
        resolve(session);
      }),
    );
  });

/** A session whose peer is gone without a word. */
const enquire = (session: Session, timeoutMs: number, end: (reason: string) => void): void => {
  const timer = setTimeout(() => end('the SMSC does not answer enquire_link'), timeoutMs);
  timer.unref();
  session.enquire_link({}, () => clearTimeout(timer));
};

const unbind = (session: Session, timeoutMs: number): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(() => session.destroy(), Math.min(timeoutMs, 2_000));
    session.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
    if (!session.unbind({}, () => session.close())) session.destroy();
  });

export const nameOfStatus = (status: number): string =>
  Object.entries(smpp.errors).find(([, code]) => code === status)?.[0] ?? `0x${status.toString(16)}`;
