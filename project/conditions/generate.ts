/**
 * Writes JavaScript for the checked subset of CEL, from the parsed tree only: user text enters as JSON string literals.
 *
 * CEL's logic has three values: `a && b` is false when either is false, even if the other is an error. So a condition is written as
 * "is certainly true" (T), its negation as "is certainly false" (F), and only where a value is needed as V, undefined being the error.
 */
import type { ASTNode } from '@marcbachmann/cel-js';

const MAX_CODE = 60_000;

/** Null: outside the subset, or too large. The code returns `{ condition, expression }`. @param known the names that a scope has */
export const generateCode = (ast: ASTNode, known: ReadonlySet<string>): string | null => {
  const writer: Writer = { temps: 0, known, roots: new Set() };
  try {
    const truth = T(ast, writer);
    const value = V(ast, writer);
    if (truth.length + value.length > MAX_CODE) return null;
    const roots = [...writer.roots].map((root) => `const ${root}=s.${root};`).join('');
    const temps = writer.temps === 0 ? '' : `let ${Array.from({ length: writer.temps }, (_, i) => `t${i}`).join(',')};`;
    return `const {${OPERATORS.join(',')}}=operators;return{condition:(s)=>{${roots}${temps}return ${truth};},expression:(s)=>{${roots}${temps}return ${value};}};`;
  } catch (error) {
    if (error === OUTSIDE) return null;
    throw error;
  }
};

/** Subtrees, in order. */
export const childrenOf = (node: ASTNode): ASTNode[] => {
  const found: ASTNode[] = [];
  const visit = (part: unknown): void => {
    if (Array.isArray(part)) part.forEach(visit);
    else if (typeof part === 'object' && part !== null && 'op' in part) found.push(part as ASTNode);
  };
  visit(node.args);
  return found;
};

interface Writer {
  temps: number;
  readonly known: ReadonlySet<string>;
  readonly roots: Set<string>;
}

const OUTSIDE = new Error('outside the subset');
const OPERATORS = [
  'get',
  'has',
  'eq',
  'lt',
  'le',
  'within',
  'add',
  'subtract',
  'multiply',
  'divide',
  'negate',
  'size',
  'startsWith',
  'endsWith',
  'contains',
];
const ARITHMETIC: Readonly<Record<string, string>> = { '+': 'add', '-': 'subtract', '*': 'multiply', '/': 'divide' };
const METHODS = new Set(['startsWith', 'endsWith', 'contains']);

const temp = (writer: Writer): string => `t${writer.temps++}`;

const literal = (node: ASTNode): string | null => {
  if (node.op === '-_' && node.args.op === 'value' && typeof node.args.args === 'number') return `(-${String(node.args.args)})`;
  if (node.op !== 'value') return null;
  const value = node.args;
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : null;
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return JSON.stringify(value);
  return null;
};

const literalsOf = (node: ASTNode): string[] | null => {
  if (node.op !== 'list') return null;
  const items = node.args.map(literal);
  return items.every((item) => item !== null) ? items : null;
};

/** Code that is true exactly when the node is certainly true. */
const T = (node: ASTNode, w: Writer): string => {
  switch (node.op) {
    case '&&':
      return `(${T(node.args[0], w)}&&${T(node.args[1], w)})`;
    case '||':
      return `(${T(node.args[0], w)}||${T(node.args[1], w)})`;
    case '!_':
      return F(node.args, w);
    case '?:': {
      const t = temp(w);
      return `((${t}=${V(node.args[0], w)})===true?${T(node.args[1], w)}:${t}===false&&${T(node.args[2], w)})`;
    }
    case '==':
      return same(node.args, w);
    case '!=':
      return different(node.args, w);
    case '<':
      return ordered(node.args[0], '<', node.args[1], w, true);
    case '<=':
      return ordered(node.args[0], '<=', node.args[1], w, true);
    case '>':
      return ordered(node.args[0], '>', node.args[1], w, true);
    case '>=':
      return ordered(node.args[0], '>=', node.args[1], w, true);
    case 'in':
      return among(node.args, w, true);
    default:
      return `(${V(node, w)}===true)`;
  }
};

/** Code that is true exactly when the node is certainly false. */
const F = (node: ASTNode, w: Writer): string => {
  switch (node.op) {
    case '&&':
      return `(${F(node.args[0], w)}||${F(node.args[1], w)})`;
    case '||':
      return `(${F(node.args[0], w)}&&${F(node.args[1], w)})`;
    case '!_':
      return T(node.args, w);
    case '?:': {
      const t = temp(w);
      return `((${t}=${V(node.args[0], w)})===true?${F(node.args[1], w)}:${t}===false&&${F(node.args[2], w)})`;
    }
    case '==':
      return different(node.args, w);
    case '!=':
      return same(node.args, w);
    case '<':
      return ordered(node.args[0], '<', node.args[1], w, false);
    case '<=':
      return ordered(node.args[0], '<=', node.args[1], w, false);
    case '>':
      return ordered(node.args[0], '>', node.args[1], w, false);
    case '>=':
      return ordered(node.args[0], '>=', node.args[1], w, false);
    case 'in':
      return among(node.args, w, false);
    default:
      return `(${V(node, w)}===false)`;
  }
};

/** Code for the node's value; undefined when it is an error. */
const V = (node: ASTNode, w: Writer): string => {
  switch (node.op) {
    case 'value': {
      const text = literal(node);
      if (text === null) throw OUTSIDE;
      return text;
    }
    case 'id':
      if (!w.known.has(node.args)) throw OUTSIDE;
      w.roots.add(node.args);
      return node.args;
    case '.':
      return field(node.args[0], node.args[1], w);
    case '[]': {
      const [object, key] = node.args;
      if (key.op !== 'value' || typeof key.args !== 'string') throw OUTSIDE;
      return field(object, key.args, w);
    }
    case '&&':
    case '||':
    case '!_':
    case '==':
    case '!=':
    case '<':
    case '<=':
    case '>':
    case '>=':
    case 'in':
      return `(${T(node, w)}?true:${F(node, w)}?false:undefined)`;
    case '?:': {
      const t = temp(w);
      return `((${t}=${V(node.args[0], w)})===true?${V(node.args[1], w)}:${t}===false?${V(node.args[2], w)}:undefined)`;
    }
    case '+':
    case '-':
    case '*':
    case '/':
      return `${ARITHMETIC[node.op]!}(${V(node.args[0], w)},${V(node.args[1], w)})`;
    case '-_':
      return literal(node) ?? `negate(${V(node.args, w)})`;
    case 'call':
      return call(node.args[0], node.args[1], w);
    case 'rcall':
      return method(node.args[0], node.args[1], node.args[2], w);
    default:
      throw OUTSIDE;
  }
};

const field = (object: ASTNode, name: string, w: Writer): string => {
  const inherited = name in Object.prototype;
  if (object.op === 'id' && !inherited) return `${V(object, w)}?.[${JSON.stringify(name)}]`;
  return `get(${V(object, w)},${JSON.stringify(name)})`;
};

const call = (name: string, args: readonly ASTNode[], w: Writer): string => {
  const [first] = args;
  if (first === undefined || args.length !== 1) throw OUTSIDE;
  if (name === 'size') return `size(${V(first, w)})`;
  if (name !== 'has' || first.op !== '.') throw OUTSIDE;
  return `has(${V(first.args[0], w)},${JSON.stringify(first.args[1])})`;
};

const method = (name: string, receiver: ASTNode, args: readonly ASTNode[], w: Writer): string => {
  if (name === 'size' && args.length === 0) return `size(${V(receiver, w)})`;
  if (!METHODS.has(name) || args.length !== 1) throw OUTSIDE;
  return `${name}(${V(receiver, w)},${V(args[0]!, w)})`;
};

const same = ([a, b]: readonly [ASTNode, ASTNode], w: Writer): string => {
  const right = literal(b);
  if (right !== null) return `(${V(a, w)}===${right})`;
  const left = literal(a);
  if (left !== null) return `(${V(b, w)}===${left})`;
  return `(eq(${V(a, w)},${V(b, w)})===true)`;
};

const different = ([a, b]: readonly [ASTNode, ASTNode], w: Writer): string => {
  const text = literal(b) ?? literal(a);
  if (text === null) return `(eq(${V(a, w)},${V(b, w)})===false)`;
  const t = temp(w);
  return `((${t}=${V(literal(b) === null ? b : a, w)})!==undefined&&${t}!==${text})`;
};

const FLIPPED: Readonly<Record<string, string>> = { '<': '>', '<=': '>=', '>': '<', '>=': '<=' };

const ordered = (a: ASTNode, operator: string, b: ASTNode, w: Writer, expected: boolean): string => {
  const right = numberLiteral(b);
  const left = numberLiteral(a);
  if (right !== null || left !== null) {
    const t = temp(w);
    const test = `${t}${right === null ? FLIPPED[operator]! : operator}${right ?? left!}`;
    return `(typeof(${t}=${V(right === null ? b : a, w)})==='number'&&${expected ? test : `!(${test})`})`;
  }
  const [x, y] = operator.startsWith('<') ? [a, b] : [b, a];
  return `(${operator.length === 2 ? 'le' : 'lt'}(${V(x, w)},${V(y, w)})===${String(expected)})`;
};

const numberLiteral = (node: ASTNode): string | null => {
  const text = literal(node);
  return text !== null && Number.isFinite(Number(text.replace(/^\((.*)\)$/, '$1'))) && !text.startsWith('"') && text !== 'null'
    ? text
    : null;
};

const among = ([a, b]: readonly [ASTNode, ASTNode], w: Writer, expected: boolean): string => {
  if (b.op === 'list' && b.args.length === 0) throw OUTSIDE;
  const items = literalsOf(b);
  if (items === null) return `(within(${V(a, w)},${b.op === 'list' ? list(b.args, w) : V(b, w)})===${String(expected)})`;
  const t = temp(w);
  const value = `(${t}=${V(a, w)})`;
  if (expected) return `(${[`${value}===${items[0]!}`, ...items.slice(1).map((item) => `${t}===${item}`)].join('||')})`;
  return `(${[`${value}!==undefined`, ...items.map((item) => `${t}!==${item}`)].join('&&')})`;
};

const list = (items: readonly ASTNode[], w: Writer): string => {
  const t = temp(w);
  return `((${t}=[${items.map((item) => V(item, w)).join(',')}]).includes(undefined)?undefined:${t})`;
};
