/** What is asked in one turn of the event loop leaves in one write a node, and single GETs as one MGET: a write costs more than a command. */
import type { Writable } from 'node:stream';
import type { Call, Reply } from './commands.ts';
import type { Node } from './node.ts';

/** Sends a call by itself. */
export type Send = (node: Node, call: Call) => Promise<Reply>;

interface Asked {
  readonly call: Call;
  readonly resolve: (reply: Reply | Promise<Reply>) => void;
  readonly reject: (error: unknown) => void;
}

/** @param isCluster keys of one command lie in one slot: GETs stay what they are */
export const createGather = (send: Send, isCluster: boolean): Send => {
  let waiting = new Map<Node, Asked[]>();

  const flush = (): void => {
    const all = waiting;
    waiting = new Map();
    for (const [node, asked] of all) {
      // Not there while it connects.
      const stream = node.fast.stream as Writable | undefined;
      stream?.cork();
      const gets = isCluster ? [] : asked.filter(({ call }) => call.run === 'GET');
      if (gets.length > 1) void sendTogether(send, node, gets);
      for (const one of asked) if (gets.length < 2 || one.call.run !== 'GET') one.resolve(send(node, one.call));
      stream?.uncork();
    }
  };

  return (node, call) =>
    new Promise((resolve, reject) => {
      if (waiting.size === 0) setImmediate(flush);
      const asked = waiting.get(node);
      if (asked === undefined) waiting.set(node, [{ call, resolve, reject }]);
      else asked.push({ call, resolve, reject });
    });
};

const sendTogether = async (send: Send, node: Node, gets: readonly Asked[]): Promise<void> => {
  try {
    const { bucket } = gets[0]!.call;
    const replies = (await send(node, { bucket, run: 'MGET', args: gets.flatMap(({ call }) => call.args) })) as readonly Reply[];
    gets.forEach(({ resolve }, i) => resolve(replies[i]!));
  } catch (error) {
    for (const { reject } of gets) reject(error);
  }
};
