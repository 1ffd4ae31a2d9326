/** An HTTP receiver for the adapters' tests. */
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Arrived, Peer } from '../contract-suite.ts';

export interface HttpRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface HttpPeer extends Peer {
  readonly port: number;
  readonly requests: readonly HttpRequest[];
  /** Instead of a plain 200. */
  answerWith(answer: (request: HttpRequest, response: ServerResponse) => void): void;
}

const STATUS = { well: 200, busy: 503, refusing: 422 };

/** @param read the message of a request that was taken */
export const startHttpPeer = async (read: (request: HttpRequest) => Arrived): Promise<HttpPeer> => {
  const requests: HttpRequest[] = [];
  const taken: HttpRequest[] = [];
  let how: 'well' | 'silent' | 'busy' | 'refusing' = 'well';
  let answer = (_: HttpRequest, response: ServerResponse): void => void response.end('{"id":"p-1"}');
  const server: Server = createServer((incoming, response) => {
    let body = '';
    incoming.on('data', (chunk: Buffer) => (body += chunk.toString()));
    incoming.on('end', () => {
      const request = { method: incoming.method ?? '', url: incoming.url ?? '', headers: incoming.headers, body };
      requests.push(request);
      if (how === 'silent') return;
      response.statusCode = STATUS[how];
      if (how !== 'well') return void response.end('no');
      taken.push(request);
      answer(request, response);
    });
  });
  let port = 0;
  const start = async (): Promise<void> => {
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    ({ port } = server.address() as AddressInfo);
  };
  await start();
  return {
    get port() {
      return port;
    },
    requests,
    behave: (next) => void (how = next),
    answerWith: (next) => void (answer = next),
    arrived: async () => taken.map(read),
    start,
    stop: () =>
      new Promise((resolve) => {
        if (!server.listening) return resolve();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};
