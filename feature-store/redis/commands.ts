/** Sends commands to the nodes that have their buckets, and follows what the nodes answer: moved, ask there, load the script. */
import { setTimeout as delay } from 'node:timers/promises';
import { EngineUnavailable } from '#contracts';
import { createGather, type Send } from './gather.ts';
import type { Argument, Node } from './node.ts';
import type { Nodes } from './nodes.ts';
import type { Script } from './scripts.ts';

/** All keys are the bucket's. */
export interface Call {
  readonly bucket: number;
  /** A command's name, or a script with `keys` of its arguments being keys. */
  readonly run: string | { readonly script: Script; readonly keys: number };
  readonly args: readonly Argument[];
}

/** Bytes, integers, nulls and lists of these. */
export type Reply = Buffer | number | null | readonly Reply[];

export interface Commands {
  /** One pipeline a node; replies in the order of the calls. */
  all(calls: readonly Call[]): Promise<readonly Reply[]>;
  /** On the connection that does not wait, with what else is asked in this turn; rejects when it takes longer than a read may. */
  one(call: Call): Promise<Reply>;
}

const ROUNDS = 12;
const AGAIN_MS = 50;

export const createCommands = (nodes: Nodes): Commands => {
  const gathered = createGather((node, call) => sendOne(node, call, 'plain'), nodes.isCluster);
  return { all: (calls) => sendAll(nodes, calls), one: (call) => sendFollowing(nodes, gathered, call) };
};

const sendAll = async (nodes: Nodes, calls: readonly Call[]): Promise<readonly Reply[]> => {
  const replies: Reply[] = Array.from({ length: calls.length }, () => null);
  let open: Attempt[] = calls.map((call, index) => ({ call, index, node: nodes.of(call.bucket), mode: 'plain' }));
  for (let round = 0; open.length > 0; round++) {
    if (round === ROUNDS)
      throw new EngineUnavailable('feature-store', `Redis sent commands from node to node ${ROUNDS} times; is the cluster being changed?`);
    const answers = await Promise.all([...byNode(open)].map(([node, attempts]) => send(node, attempts)));
    const next: Attempt[] = [];
    let pause = false;
    let moved = false;
    for (const { attempt, error, reply } of answers.flat()) {
      if (error === null) {
        replies[attempt.index] = reply;
        continue;
      }
      const [word, , address] = error.message.split(' ');
      if (word === 'NOSCRIPT') next.push({ ...attempt, mode: attempt.mode === 'asking' ? 'asking' : 'whole' });
      else if (word === 'MOVED') next.push({ ...attempt, node: nodes.at(address!), mode: 'plain' });
      else if (word === 'ASK') next.push({ ...attempt, node: nodes.at(address!), mode: 'asking' });
      else if (word === 'TRYAGAIN' || word === 'CLUSTERDOWN') next.push({ ...attempt, node: nodes.of(attempt.call.bucket), mode: 'plain' });
      else throw unavailable(attempt.node, 'bulk', error);
      moved ||= word === 'MOVED' || word === 'CLUSTERDOWN';
      pause ||= word === 'TRYAGAIN' || word === 'CLUSTERDOWN';
    }
    if (moved) await nodes.refresh();
    if (pause || round > 3) await delay(AGAIN_MS);
    open = next;
  }
  return replies;
};

const sendFollowing = async (nodes: Nodes, first: Send, call: Call): Promise<Reply> => {
  const node = nodes.of(call.bucket);
  try {
    return await first(node, call);
  } catch (error) {
    const [word, , address] = (error as Error).message.split(' ');
    const next = word === 'ASK' || word === 'MOVED' ? nodes.at(address!) : node;
    try {
      if (word === 'NOSCRIPT') return await sendOne(node, call, 'whole');
      if (word === 'ASK') return await sendOne(next, call, 'asking');
      if (word === 'MOVED') {
        void nodes.refresh().catch(() => undefined);
        return await sendOne(next, call, 'plain');
      }
    } catch (second) {
      throw unavailable(next, 'fast', second as Error);
    }
    throw unavailable(node, 'fast', error as Error);
  }
};

/** `whole`: with the script's text, which the node then knows. `asking`: of a slot that moves there. */
type Mode = 'plain' | 'whole' | 'asking';

interface Attempt {
  readonly call: Call;
  readonly index: number;
  readonly node: Node;
  readonly mode: Mode;
}

interface Answer {
  readonly attempt: Attempt;
  readonly error: Error | null;
  readonly reply: Reply;
}

const byNode = (attempts: readonly Attempt[]): Map<Node, Attempt[]> => {
  const groups = new Map<Node, Attempt[]>();
  for (const attempt of attempts) {
    const group = groups.get(attempt.node);
    if (group === undefined) groups.set(attempt.node, [attempt]);
    else group.push(attempt);
  }
  return groups;
};

const send = async (node: Node, attempts: readonly Attempt[]): Promise<readonly Answer[]> => {
  const pipeline = node.bulk.pipeline();
  const known = new Set<Script>();
  const places: number[] = [];
  let sent = 0;
  for (const { call, mode } of attempts) {
    if (mode === 'asking') {
      pipeline.call('ASKING');
      sent++;
    }
    // The text goes once in a pipeline: after it the node knows the script.
    const script = typeof call.run === 'string' ? null : call.run.script;
    const whole = script !== null && mode !== 'plain' && !known.has(script);
    if (whole) known.add(script);
    pipeline.callBuffer(...commandOf(call, whole));
    places.push(sent++);
  }
  const results = await pipeline.exec();
  return attempts.map((attempt, i) => {
    const [error, reply] = results?.[places[i]!] ?? [new Error('the pipeline was not sent'), null];
    return { attempt, error, reply: reply as Reply };
  });
};

const sendOne = async (node: Node, call: Call, mode: Mode): Promise<Reply> => {
  if (mode !== 'asking') return (await node.fast.callBuffer(...commandOf(call, mode === 'whole'))) as Reply;
  const asked = node.fast.call('ASKING');
  const [, reply] = await Promise.all([asked, node.fast.callBuffer(...commandOf(call, true))]);
  return reply as Reply;
};

const commandOf = ({ run, args }: Call, whole: boolean): [string, ...Argument[]] => {
  if (typeof run === 'string') return [run, ...args];
  return whole ? ['EVAL', run.script.lua, run.keys, ...args] : ['EVALSHA', run.script.sha, run.keys, ...args];
};

const unavailable = (node: Node, client: 'fast' | 'bulk', cause: Error): EngineUnavailable => {
  const why = node.fault(node[client]) ?? cause.message;
  return new EngineUnavailable('feature-store', `Redis at ${node.name} did not do what was asked: ${why}`, cause);
};
