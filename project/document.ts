/** One YAML file of a project: its value, and the line and column of any part of it. */
import { LineCounter, isMap, isScalar, isSeq, parseDocument } from 'yaml';
import type { Node } from 'yaml';
import type { Fault } from './faults.ts';

export type DocumentPath = readonly (string | number)[];

export interface ProjectDocument {
  readonly path: string;
  /** Plain data; null for an empty file. */
  readonly value: unknown;
  /** A fault at the part that `at` leads to, or at the nearest part above it that exists. */
  fault(at: DocumentPath, message: string): Fault;
}

/** Pushes onto `faults` what YAML itself refuses. */
export const parseProjectDocument = (path: string, text: string, faults: Fault[]): ProjectDocument => {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const place = (offset: number, message: string): Fault => {
    const { line, col } = lines.linePos(offset);
    return { file: path, line: Math.max(line, 1), column: Math.max(col, 1), message };
  };
  for (const error of document.errors) faults.push(place(error.pos[0], error.message));
  return {
    path,
    value: document.errors.length > 0 ? null : document.toJS({ maxAliasCount: 1_000 }),
    fault: (at, message) => place(offsetOf(document.contents, at), message),
  };
};

const offsetOf = (root: Node | null, at: DocumentPath): number => {
  let node = root;
  let offset = root?.range?.[0] ?? 0;
  for (const step of at) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(step));
      if (pair === undefined) return offset;
      offset = (pair.key as Node).range?.[0] ?? offset;
      node = pair.value as Node | null;
    } else if (isSeq(node)) {
      node = (node.items[Number(step)] ?? null) as Node | null;
      offset = node?.range?.[0] ?? offset;
    } else return offset;
  }
  return offset;
};
