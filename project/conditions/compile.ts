/** Conditions and expressions in CEL, compiled once, closed when a field is missing or of the wrong type. */
import { Environment, serialize } from '@marcbachmann/cel-js';
import type { ASTNode } from '@marcbachmann/cel-js';
import { AttuneError } from '#contracts';
import { childrenOf, generateCode } from './generate.ts';
import { operators } from './operators.ts';

/** What an expression may read. A root that is absent makes whatever reads it an error, that is: closed. */
export interface Scope {
  readonly customer?: Readonly<Record<string, unknown>> | undefined;
  readonly features?: Readonly<Record<string, unknown>> | undefined;
  readonly context?: Readonly<Record<string, unknown>> | undefined;
  readonly action?: Readonly<Record<string, unknown>> | undefined;
  readonly event?: Readonly<Record<string, unknown>> | undefined;
  readonly now?: Readonly<Record<string, unknown>> | undefined;
}

export type Condition<S = Scope> = (scope: S) => boolean;
/** Undefined: a field was missing or of the wrong type. */
export type Expression<S = Scope> = (scope: S) => unknown;

const SCOPE_ROOTS = ['customer', 'features', 'context', 'action', 'event', 'now'] as const;

/** Code `condition.invalid`. */
export class ConditionError extends AttuneError {
  constructor(message: string) {
    super('condition.invalid', message);
    this.name = 'ConditionError';
  }
}

export interface ParsedExpression<S = Scope> {
  readonly source: string;
  /** Equal for texts that differ only in spacing. */
  readonly key: string;
  /** Roots of the scope that it reads. */
  readonly reads: ReadonlySet<string>;
  /** `customer.plan` → ['customer', 'plan']: every field directly under a root. */
  readonly fields: readonly (readonly [root: string, field: string])[];
  readonly condition: Condition<S>;
  readonly expression: Expression<S>;
  /** False: outside the subset that is compiled to JavaScript, so the library evaluates it (about 1 µs a clause). */
  readonly compiled: boolean;
}

const MAX_SOURCE = 4_000;
const POOL_LIMIT = 20_000;

/**
 * A parser of expressions over a scope of these names, which is a language of its own; it remembers what it has parsed.
 *
 * All numbers are doubles: an integer literal is read as one, as every value in the scope is a JavaScript number, and CEL would
 * refuse `features.overage90d * 2` otherwise. The parser throws ConditionError.
 */
export const createExpressionParser = <S extends object>(
  roots: readonly (keyof S & string)[],
): ((source: string) => ParsedExpression<S>) => {
  const environment = new Environment({ unlistedVariablesAreDyn: false, homogeneousAggregateLiterals: false });
  for (const root of roots) environment.registerVariable(root, 'dyn');
  const known: ReadonlySet<string> = new Set(roots);
  const bySource = new Map<string, ParsedExpression<S>>();
  const byKey = new Map<string, ParsedExpression<S>>();
  return (source) => {
    const before = bySource.get(source);
    if (before !== undefined) return before;
    const parsed = compileSource<S>(environment, known, source);
    if (bySource.size > POOL_LIMIT) {
      bySource.clear();
      byKey.clear();
    }
    const shared = byKey.get(parsed.key) ?? parsed;
    byKey.set(parsed.key, shared);
    bySource.set(source, shared);
    return shared;
  };
};

/** Over what a decision knows. */
export const parseExpression = createExpressionParser<Scope>(SCOPE_ROOTS);

export const compileCondition = (source: string): Condition => parseExpression(source).condition;

export const compileExpression = (source: string): Expression => parseExpression(source).expression;

const compileSource = <S extends object>(environment: Environment, known: ReadonlySet<string>, source: string): ParsedExpression<S> => {
  if (typeof source !== 'string' || source.trim() === '') throw new ConditionError('a condition must be CEL text');
  if (source.length > MAX_SOURCE) throw new ConditionError(`a condition may have ${MAX_SOURCE} characters, this has ${source.length}`);
  const normal = withDoubles(environment, source);
  const library = guarded(() => environment.parse(normal));
  const check = library.check();
  if (!check.valid) throw new ConditionError(firstLine(check.error));
  const key = serialize(library.ast);
  const reads = new Set<string>();
  const fields: [string, string][] = [];
  collect(library.ast, known, reads, fields);
  const body = generateCode(library.ast, known);
  if (body !== null) {
    // The code is written from the parsed tree alone (generate.ts); the catalog's text enters it as JSON literals.
    // eslint-disable-next-line no-implied-eval, typescript/no-implied-eval
    const made = new Function('operators', `'use strict';${body}`)(operators) as { condition: Condition<S>; expression: Expression<S> };
    return { source, key, reads, fields, compiled: true, condition: made.condition, expression: made.expression };
  }
  const expression: Expression<S> = (scope) => {
    try {
      return plain(library(scope));
    } catch {
      return undefined;
    }
  };
  return { source, key, reads, fields, compiled: false, expression, condition: (scope) => expression(scope) === true };
};

const guarded = <T>(run: () => T): T => {
  try {
    return run();
  } catch (cause) {
    throw new ConditionError(firstLine(cause));
  }
};

const firstLine = (error: unknown): string => (error instanceof Error ? error.message.split('\n')[0]! : String(error));

/** The library's integers become numbers. */
const plain = (value: unknown): unknown => (typeof value === 'bigint' ? Number(value) : value);

/** Of the library's methods, those which count characters by integers. */
const COUNTING: ReadonlySet<unknown> = new Set(['substring', 'charAt']);

const withDoubles = (environment: Environment, source: string): string => {
  const { ast } = guarded(() => environment.parse(source));
  const edits: { start: number; end: number; text: string }[] = [];
  const visit = (node: ASTNode, isIndex: boolean): void => {
    if (node.op === '%') throw new ConditionError('% is not defined: every number is a double');
    if (node.op === 'value' && typeof node.args === 'bigint' && !isIndex)
      edits.push({ start: node.start, end: node.end, text: `${Number(node.args)}.0` });
    const children = childrenOf(node);
    const isCounting = node.op === 'rcall' && COUNTING.has(node.args[0]);
    children.forEach((child, i) => visit(child, i > 0 && (node.op === '[]' || isCounting)));
  };
  visit(ast, false);
  edits.sort((a, b) => b.start - a.start);
  let text = source;
  for (const edit of edits) text = text.slice(0, edit.start) + edit.text + text.slice(edit.end);
  return text;
};

const collect = (node: ASTNode, known: ReadonlySet<string>, reads: Set<string>, fields: [string, string][]): void => {
  if (node.op === 'id' && known.has(node.args)) reads.add(node.args);
  if (node.op === '.' && node.args[0].op === 'id') fields.push([node.args[0].args, node.args[1]]);
  for (const child of childrenOf(node)) collect(child, known, reads, fields);
};
