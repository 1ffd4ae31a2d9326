/** The encoder as data: plain JSON, kept inside the model's artifact, so that the served row is the training row. */

export type FieldSource = 'attribute' | 'feature' | 'context' | 'request' | 'now';

export type FieldEncoding =
  | { readonly as: 'oneHot'; readonly values: readonly string[] }
  | { readonly as: 'hash'; readonly dims: number }
  | {
      readonly as: 'number';
      readonly transform: 'none' | 'log1p' | 'sqrt';
      readonly shift: number;
      readonly scale: number;
      readonly clip: number;
    }
  | { readonly as: 'cycle'; readonly period: number }
  | { readonly as: 'flag' };

export interface ContextField {
  readonly source: FieldSource;
  readonly name: string;
  readonly encoding: FieldEncoding;
  /** Adds a dimension that is 1 when the value is absent. */
  readonly missing: boolean;
}

/** A context field whose value is crossed with a field of the action's profile in the shared part. */
export interface Cross {
  readonly profile: string;
  readonly source: FieldSource;
  readonly name: string;
  /** Of a number: the crossed value is how many of these it reaches. */
  readonly steps?: readonly number[];
}

export type EncoderSpec =
  | {
      readonly kind: 'declared';
      readonly fields: readonly ContextField[];
      readonly profile: readonly string[];
      readonly crosses: readonly Cross[];
      /** The rate that a model without data answers. */
      readonly priorRate: number;
    }
  | { readonly kind: 'generic'; readonly dims: number; readonly priorRate: number };
