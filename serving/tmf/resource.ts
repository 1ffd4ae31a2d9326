/** What every resource of a TM Forum API is, and what a face tells of its own. */
import type { TSchema } from 'typebox';
import type { Scope } from '../auth/api-keys.ts';
import type { Filter } from './query/filter.ts';

export interface TmfResource {
  readonly id: string;
  /** The path on this server, the same in answers and notifications. */
  readonly href: string;
  readonly [attribute: string]: unknown;
}

export type TmfBody = Readonly<Record<string, unknown>>;

/** One resource of one API; what is absent is answered 405. */
export interface TmfFace {
  /** `/tmf-api/communicationManagement/v4` */
  readonly base: string;
  /** `communicationMessage` */
  readonly name: string;
  /** Of the OpenAPI document. */
  readonly tag: string;
  readonly schemas: { readonly resource: TSchema; readonly create?: TSchema; readonly update?: TSchema };
  readonly scopes: { readonly read: Scope; readonly write: Scope };
  /** Newest first. `total` counts all. */
  readonly page?: (slice: { readonly offset: number; readonly limit: number }) => Promise<TmfPage>;
  /** Newest first; may show what the filter does not want, and must show all that it wants. */
  readonly scan?: (filter: Filter) => AsyncIterable<TmfResource>;
  /** Null: there is none. */
  readonly read?: (id: string) => Promise<TmfResource | null>;
  /** Rejects with a problem for what the body lacks. */
  readonly create?: (body: TmfBody) => Promise<TmfResource>;
  /** @param patch a merge patch (RFC 7396) without id and href */
  readonly update?: (id: string, patch: TmfBody) => Promise<TmfResource | null>;
  /** False: there was none. */
  readonly remove?: (id: string) => Promise<boolean>;
}

export interface TmfPage {
  readonly resources: readonly TmfResource[];
  readonly total: number;
}
