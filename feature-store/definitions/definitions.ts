/** Feature definitions as plain data: what features.yaml says once parsed, what the fingerprint is taken of, what is kept by hash. */
import type { AttributeValue } from '#contracts';

/** How an attribute changes when an event comes; the last writer by event time wins. */
export interface AttributeSetter {
  readonly event: string;
  /** A field of the event's data, or else the constant `value`. */
  readonly field: string | null;
  readonly value: AttributeValue | null;
  /** CEL over `event`; null: always. */
  readonly when: string | null;
}

export interface AttributeDefinition {
  readonly name: string;
  readonly type: 'string' | 'number' | 'boolean';
  /** Known values, stored as one byte; others are stored as text. */
  readonly values: readonly string[];
  readonly personal: boolean;
  readonly set: readonly AttributeSetter[];
}

export const AGGREGATES = ['count', 'sum', 'mean', 'min', 'max', 'last', 'recency'] as const;
export type Aggregate = (typeof AGGREGATES)[number];

export interface FeatureDefinition {
  readonly name: string;
  readonly aggregate: Aggregate;
  readonly event: string;
  /** CEL over `event`; null: every event of the type. */
  readonly when: string | null;
  /** The numeric field of the event's data that is aggregated; null for count and recency. */
  readonly field: string | null;
  /** Exactly one of the two, or neither (since ever). */
  readonly halfLifeMs: number | null;
  readonly windowMs: number | null;
  /** Of a window: 1 to 7. */
  readonly buckets: number;
  /** Of a recency: the unit of its value, ms. */
  readonly unitMs: number;
  /** The value of a feature that has seen nothing (counts and sums begin with 0). */
  readonly default: number;
}

export interface FeatureDefinitions {
  readonly attributes: readonly AttributeDefinition[];
  readonly features: readonly FeatureDefinition[];
  /** Names that states abbreviate: the catalog's action ids. */
  readonly actionIds: readonly string[];
}
