/** What a queryProductRecommendation asks, in the words of POST /v1/decisions. Little is needed: TM Forum's own sample breaks its schema. */
import type { Catalog } from '#decisioning';
import { ProblemError, fieldFault } from '../../errors/problem.ts';
import type { DecisionRequest } from '../../schemas/decisions.ts';
import { isObject } from '../merge-patch.ts';
import type { TmfBody } from '../resource.ts';

/** A page of an app has room for no more. */
const MOST_ITEMS = 5;
const LONGEST_NAME = 200;
const TEXTS = ['name', 'description', 'recommendationType'] as const;
const LISTS = ['category', 'channel', 'productOrder', 'productOrderItem', 'relatedParty', 'shoppingCart', 'shoppingCartItem'] as const;

/** @param body of a POST. Throws a 400 that names the attribute; 409 where the catalog has no channel on which customers come to us. */
export const askedOf = (body: TmfBody, catalog: Catalog): DecisionRequest => {
  for (const name of TEXTS) if (has(body, name) && typeof body[name] !== 'string') throw fieldFault(name, 'must be a text');
  for (const name of LISTS) if (has(body, name)) listOf(body, name);
  const scope = scopeOf(body, catalog);
  const customerId = customerOf(listOf(body, 'relatedParty'));
  return {
    ...(customerId === null ? {} : { customerId }),
    channel: channelOf(namesOf(listOf(body, 'channel')), catalog),
    direction: 'inbound',
    limit: MOST_ITEMS,
    ...(scope === null ? {} : { scope }),
  };
};

const has = (body: TmfBody, name: string): boolean => body[name] !== undefined && body[name] !== null;

/** One may stand without its brackets. */
const listOf = (body: TmfBody, name: string): readonly TmfBody[] => {
  const given = body[name] ?? [];
  const list: readonly unknown[] = Array.isArray(given) ? given : [given];
  list.forEach((one, index) => {
    if (!isObject(one)) throw fieldFault(`${name}.${index}`, 'must be an object');
    const { id } = one;
    if (id !== undefined && id !== null && !((typeof id === 'string' || typeof id === 'number') && `${id}`.length <= LONGEST_NAME))
      throw fieldFault(`${name}.${index}.id`, `must be a text of at most ${LONGEST_NAME} characters`);
  });
  return list as readonly TmfBody[];
};

/** Who is said to be the customer, else the first; null: an anonymous query. */
const customerOf = (parties: readonly TmfBody[]): string | null => {
  const named = parties.filter(({ id }) => wordOf(id) !== null);
  const customer = named.find(({ role }) => typeof role === 'string' && /customer/i.test(role)) ?? named[0];
  return wordOf(customer?.['id']);
};

/** Some send numbers as ids. */
const wordOf = (value: unknown): string | null => {
  const word = typeof value === 'string' ? value : typeof value === 'number' ? String(value) : '';
  return word.trim() === '' ? null : word;
};

const plainOf = (text: string): string => text.toLowerCase().replace(/[^a-z0-9]/g, '');

/** The ids and names by which a reference may be meant. */
const namesOf = (references: readonly TmfBody[]): readonly string[] =>
  references.flatMap(({ id, name }) => [wordOf(id), wordOf(name)].flatMap((word) => (word === null ? [] : [plainOf(word)])));

/** The channel that is named; a query without one, or with one that the catalog does not know, is answered for the catalog's first. */
const channelOf = (names: readonly string[], { channels }: Catalog): string => {
  const inbound = [...channels.values()].filter(({ directions }) => directions.includes('inbound'));
  const [first] = inbound;
  if (first === undefined) throw new ProblemError(409, 'conflict', 'the catalog has no inbound channel');
  const named = inbound.find(({ name }) => names.some((word) => word === plainOf(name)));
  return (named ?? first).name;
};

/** Categories, and the type, that the catalog has as topics or groups; null: it has none of them, and all its actions take part. */
const scopeOf = (body: TmfBody, { topics, groups }: Catalog): NonNullable<DecisionRequest['scope']> | null => {
  const type = typeof body['recommendationType'] === 'string' ? [plainOf(body['recommendationType'])] : [];
  const names = new Set([...namesOf(listOf(body, 'category')), ...type]);
  const wanted = (all: readonly string[]): string[] => all.filter((name) => names.has(plainOf(name)));
  const [inTopics, inGroups] = [wanted(topics), wanted(groups)];
  if (inTopics.length === 0 && inGroups.length === 0) return null;
  return {
    ...(inTopics.length === 0 ? {} : { topics: inTopics }),
    ...(inGroups.length === 0 ? {} : { groups: inGroups }),
  };
};
