/** The shape of an encoder: what it writes, and what of an action it keeps. */
import type { ActionProfile, ScoringRequest } from '#contracts';
import type { SparseRow } from '../head/sparse-row.ts';

/** Scratch of one caller; what encodeContext wrote stays until the next call. */
export interface ContextCode {
  /** x, padded with zeros to a multiple of 4; x[0] is 1. */
  readonly x: Float32Array;
  /** Entries of ψ that every candidate of this decision has. */
  readonly common: SparseRow;
  /** Tokens to cross with an action's profile; 0 is absent. */
  readonly tokens: Int32Array;
}

/** What is known of an action before any context. */
export interface ActionPart {
  readonly index: Int32Array;
  readonly value: Float64Array;
  /** One seed a cross: hash of the cross and this action's value. */
  readonly crosses: Int32Array;
}

export interface Encoder {
  readonly xDims: number;
  readonly psiDims: number;
  /** Which kind a place in ψ is of: weights of one kind share a ridge. */
  readonly kindOf: (place: number) => number;
  readonly kinds: number;
  /** The names of x's dimensions, for people. */
  readonly xNames: readonly string[];
  encodeContext(request: ScoringRequest, code: ContextCode): void;
  encodeAction(action: ActionProfile): ActionPart;
  /** Replaces `out` by the entries of ψ that depend on both. */
  encodePair(request: ScoringRequest, code: ContextCode, action: ActionProfile, part: ActionPart, out: SparseRow): void;
}

/** A profile without a value of that name, and an id that happens to equal one, never meet. */
export const tokenSeed = { id: 1, profile: 2, value: 3, sign: 4, cross: 5 } as const;
