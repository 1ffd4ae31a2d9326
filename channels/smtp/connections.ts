/** Open connections to an SMTP server, reused one after the other. */
import SMTPConnection from 'nodemailer/lib/smtp-connection';

export interface SmtpServer {
  readonly host: string;
  readonly port: number;
  readonly security: 'none' | 'opportunistic' | 'starttls' | 'tls';
  /** Null: without. */
  readonly login: { readonly user: string; readonly pass: string } | null;
  readonly timeoutMs: number;
}

export interface Leased {
  readonly connection: SMTPConnection;
  /** It was open already: the server may have closed it in the meantime. */
  readonly isReused: boolean;
}

export interface Connections {
  /** Rejects with the server's or the network's error. */
  lease(signal: AbortSignal): Promise<Leased>;
  /** @param keep it is fit for another message */
  giveBack(connection: SMTPConnection, keep: boolean): void;
  close(): void;
}

/** Servers close what is idle for minutes; we do so before. */
const IDLE_MS = 20_000;

export const createConnections = (server: SmtpServer, most: number): Connections => {
  const idle: { readonly connection: SMTPConnection; readonly timer: NodeJS.Timeout }[] = [];

  const drop = (connection: SMTPConnection): void => {
    const at = idle.findIndex((each) => each.connection === connection);
    if (at >= 0) clearTimeout(idle.splice(at, 1)[0]!.timer);
  };

  return {
    async lease(signal) {
      const waiting = idle.pop();
      if (waiting === undefined) return { connection: await open(server, signal, drop), isReused: false };
      clearTimeout(waiting.timer);
      return { connection: waiting.connection, isReused: true };
    },
    giveBack(connection, keep) {
      if (!keep || connection.destroyed || idle.length >= most) {
        connection.close();
        return;
      }
      const timer = setTimeout(() => {
        drop(connection);
        connection.quit();
      }, IDLE_MS);
      timer.unref();
      idle.push({ connection, timer });
    },
    close() {
      for (const { connection, timer } of idle.splice(0)) {
        clearTimeout(timer);
        connection.quit();
      }
    },
  };
};

const open = (server: SmtpServer, signal: AbortSignal, onEnd: (connection: SMTPConnection) => void): Promise<SMTPConnection> =>
  new Promise((resolve, reject) => {
    const { host, port, security, login, timeoutMs } = server;
    const connection = new SMTPConnection({
      host,
      port,
      secure: security === 'tls',
      ignoreTLS: security === 'none',
      requireTLS: security === 'starttls',
      opportunisticTLS: security === 'opportunistic',
      connectionTimeout: timeoutMs,
      greetingTimeout: timeoutMs,
      socketTimeout: timeoutMs,
      dnsTimeout: timeoutMs,
    });
    const fail = (error: Error): void => {
      connection.close();
      reject(error);
    };
    const abort = (): void => fail(new Error('given up before a connection came about'));
    const done = (): void => {
      signal.removeEventListener('abort', abort);
      resolve(connection);
    };
    signal.addEventListener('abort', abort, { once: true });
    connection.on('error', (error: Error) => {
      onEnd(connection);
      reject(error);
    });
    connection.once('end', () => {
      onEnd(connection);
      reject(new Error('the server closed the connection'));
    });
    connection.connect((error) => {
      if (error) return fail(error);
      if (login === null) return done();
      connection.login({ credentials: login }, (refusal) => (refusal ? fail(refusal) : done()));
    });
  });
