/** What is asked in one turn of the event loop leaves in one write a node, its GETs as one MGET: a write costs more than a command. */
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
      if (!isCluster) void sendTogether(send, node, asked.filter(isGet));
      for (const one of asked) if (isCluster || !isGet(one)) one.resolve(send(node, one.call));
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

const isGet = ({ call }: Asked): boolean => call.run === 'GET';

const sendTogether = async (send: Send, node: Node, gets: readonly Asked[]): Promise<void> => {
  if (gets.length === 0) return;
  try {
    const args = gets.flatMap(({ call }) => call.args);
    const replies = (await send(node, { bucket: gets[0]!.call.bucket, run: 'MGET', args })) as readonly Reply[];
    gets.forEach(({ resolve }, i) => resolve(replies[i]!));
  } catch (error) {
    for (const { reject } of gets) reject(error);
  }
};
