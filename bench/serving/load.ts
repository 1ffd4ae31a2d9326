/**
 * A lean load generator in a process of its own, since half of the figures need requests that are due at fixed moments, whatever came of
 * earlier ones (a generator that waits for answers hides the wait of those it did not send), and since two cores leave it little: keep-alive
 * connections over raw sockets, bodies prepared beforehand. Takes one task a message from its parent and answers with what it measured.
 */
import { connect, type Socket } from 'node:net';

export interface LoadTask {
  readonly port: number;
  readonly connections: number;
  readonly durationMs: number;
  /** Requests that were due earlier are sent and not counted: 64 connections at once, to a server that idled, are not its steady state. */
  readonly settleMs: number;
  /** Requests a second, sent when they are due whatever came of earlier ones; null: each connection sends its next at once. */
  readonly ratePerSecond: number | null;
  /** Whole HTTP requests, sent in turn. */
  readonly requests: readonly string[];
}

export interface LoadResult {
  readonly answered: number;
  readonly refused: number;
  /** All requests of the run, those before it settled included: what processor time is divided by. */
  readonly sent: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** The generator's own processor time over the run's, so that a reader sees whether it was the bottleneck. */
  readonly generatorBusy: number;
}

interface Connection {
  readonly socket: Socket;
  /** When the request in hand was due; NaN while idle. */
  dueMs: number;
  pending: Buffer | null;
}

const CR = 13;
const LENGTH = Buffer.from('content-length: ');

export const runLoad = async (task: LoadTask): Promise<LoadResult> => {
  const requests = task.requests.map((text) => Buffer.from(text, 'latin1'));
  const latencies = new Float64Array(4_000_000);
  const waiting: number[] = [];
  let answered = 0;
  let refused = 0;
  let next = 0;
  let stopped = false;
  let countedFrom = 0;

  const send = (connection: Connection, dueMs: number): void => {
    connection.dueMs = dueMs;
    connection.socket.write(requests[next++ % requests.length]!);
  };

  const onAnswer = (connection: Connection, status: number): void => {
    if (status !== 201) refused++;
    else if (connection.dueMs >= countedFrom) latencies[answered++] = performance.now() - connection.dueMs;
    if (stopped) connection.dueMs = Number.NaN;
    else if (task.ratePerSecond === null) send(connection, performance.now());
    else if (waiting.length > 0) send(connection, waiting.shift()!);
    else {
      connection.dueMs = Number.NaN;
      idle.push(connection);
    }
  };

  const idle: Connection[] = [];
  const connections = await Promise.all(Array.from({ length: task.connections }, () => open(task.port, onAnswer)));
  const cpu = process.cpuUsage();
  const began = performance.now();
  countedFrom = began + task.settleMs;
  let timer: NodeJS.Timeout | undefined;
  if (task.ratePerSecond === null) for (const connection of connections) send(connection, performance.now());
  else {
    idle.push(...connections);
    const gapMs = 1_000 / task.ratePerSecond;
    let due = began;
    timer = setInterval(() => {
      for (const now = performance.now(); due <= now; due += gapMs) {
        const connection = idle.pop();
        if (connection === undefined) waiting.push(due);
        else send(connection, due);
      }
    }, 1);
  }
  await new Promise((resolve) => setTimeout(resolve, task.settleMs + task.durationMs));
  stopped = true;
  clearInterval(timer);
  const seconds = (performance.now() - began) / 1_000;
  const used = process.cpuUsage(cpu);
  const done = latencies.slice(0, answered).toSorted();
  for (const { socket } of connections) socket.destroy();
  const at = (q: number): number => done[Math.min(done.length - 1, Math.floor(q * done.length))] ?? Number.NaN;
  return {
    answered,
    refused,
    sent: next,
    seconds,
    perSecond: answered / (seconds - task.settleMs / 1_000),
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    maxMs: at(1),
    generatorBusy: (used.user + used.system) / 1e6 / seconds,
  };
};

const open = (port: number, onAnswer: (connection: Connection, status: number) => void): Promise<Connection> =>
  new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    const connection: Connection = { socket, dueMs: Number.NaN, pending: null };
    socket.once('connect', () => resolve(connection));
    socket.once('error', reject);
    socket.on('data', (chunk) => {
      let bytes = connection.pending === null ? chunk : Buffer.concat([connection.pending, chunk]);
      for (let end = endOf(bytes); end > 0; end = endOf(bytes)) {
        const status = (bytes[9]! - 48) * 100 + (bytes[10]! - 48) * 10 + (bytes[11]! - 48);
        bytes = bytes.subarray(end);
        onAnswer(connection, status);
      }
      connection.pending = bytes.length === 0 ? null : bytes;
    });
  });

/** Where the first answer ends; 0 while it is not whole. Both servers send content-length in lower case. */
const endOf = (bytes: Buffer): number => {
  const head = bytes.indexOf('\r\n\r\n');
  if (head < 0) return 0;
  const at = bytes.indexOf(LENGTH);
  if (at < 0 || at > head) throw new Error('an answer without content-length');
  let length = 0;
  for (let i = at + LENGTH.length; bytes[i] !== CR; i++) length = length * 10 + bytes[i]! - 48;
  const end = head + 4 + length;
  return end <= bytes.length ? end : 0;
};

process.on('message', (task: LoadTask) => {
  void runLoad(task).then((result) => process.send?.(result));
});
process.on('disconnect', () => process.exit(0));
