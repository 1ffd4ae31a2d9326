/** One of the operator's own topics, and how a record of it becomes an event: what sources.yaml says, parsed. */
import type { Condition, Expression } from '../conditions/compile.ts';

/** What the expressions of a source may read. */
export interface SourceScope {
  /** The record's value: decoded JSON or Avro. */
  readonly value: unknown;
  /** The record's key as text; null without one. */
  readonly key: string | null;
  /** As text. */
  readonly headers: Readonly<Record<string, string>>;
  readonly record: SourceRecordFacts;
}

export interface SourceRecordFacts {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** ms since 1970 UTC, as the brokers say. */
  readonly timestamp: number;
}

export type SourceCondition = Condition<SourceScope>;
export type SourceExpression = Expression<SourceScope>;

/** Avro without a schema of its own carries the registry's ids (Confluent's wire format). */
export type SourceFormat = { readonly kind: 'json' } | { readonly kind: 'avro'; readonly schema: object | null };

export interface EventMapping {
  readonly type: { readonly kind: 'name'; readonly name: string } | { readonly kind: 'expression'; readonly expression: SourceExpression };
  readonly subject: SourceExpression;
  readonly subjectKind: 'customer' | 'anonymous';
  /** Null: the record's own time. */
  readonly time: SourceExpression | null;
  readonly data:
    | { readonly kind: 'fields'; readonly fields: readonly (readonly [name: string, expression: SourceExpression])[] }
    | { readonly kind: 'whole'; readonly expression: SourceExpression };
}

export interface Source {
  readonly name: string;
  readonly description: string;
  /** False: written down, and not read yet. */
  readonly enabled: boolean;
  readonly topic: string;
  readonly format: SourceFormat;
  /** Null: the brokers that Attune's own topics are on. */
  readonly brokers: readonly string[] | null;
  /** Where to begin in a topic that was never read. */
  readonly from: 'earliest' | 'latest';
  /** Null: every record. */
  readonly when: SourceCondition | null;
  readonly event: EventMapping;
  /** What becomes of a record that gives no valid event. */
  readonly invalid: 'dead-letter' | 'drop';
}
