/** The rules of TMF630 by inject, for a small resource of its own. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Type } from 'typebox';
import { createAuthorise } from '../auth/authorise.ts';
import { parseApiKeys } from '../auth/api-keys.ts';
import { createHttpServer } from '../http-server.ts';
import { mergePatch } from './merge-patch.ts';
import type { TmfFace, TmfResource } from './resource.ts';
import { addResourceRoutes, hrefOf } from './resource-routes.ts';
import { addTmfApi } from './tmf-api.ts';

const BASE = '/tmf-api/notes/v4';
const NOTES = `${BASE}/note`;
const READER = 'reader-secret-reader';
const WRITER = 'writer-secret-writer';

const notes = new Map<string, TmfResource>();
const newest = (): readonly TmfResource[] => [...notes.values()].toReversed();
const face: TmfFace = {
  base: BASE,
  name: 'note',
  tag: 'notes',
  schemas: { resource: Type.Object({}), create: Type.Object({}), update: Type.Object({}) },
  scopes: { read: 'read', write: 'decide' },
  page: async ({ offset, limit }) => ({ resources: newest().slice(offset, offset + limit), total: notes.size }),
  async *scan() {
    yield* newest();
  },
  read: async (id) => notes.get(id) ?? null,
  async create(body) {
    const id = `n/${notes.size + 1}`;
    const note = { ...body, id, href: hrefOf(face, id) };
    notes.set(id, note);
    return note;
  },
  async update(id, patch) {
    const note = notes.get(id);
    if (note === undefined) return null;
    const next = mergePatch(note, patch) as TmfResource;
    notes.set(id, next);
    return next;
  },
  remove: async (id) => notes.delete(id),
};

const refused: number[] = [];
const app = createHttpServer({ logger: null, onRefused: () => {} });
beforeAll(async () => {
  const keys = parseApiKeys(`reader:read:${READER},writer:read+decide:${WRITER}`);
  addTmfApi(app, BASE, { refused: (status) => refused.push(status) }, (api) =>
    addResourceRoutes(api, { authorise: createAuthorise(keys) }, face),
  );
  await app.ready();
  for (let rank = 1; rank <= 5; rank++) await send('POST', NOTES, { rank, text: `note ${rank}` });
});
afterAll(() => app.close());

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
const send = (method: Method, url: string, payload?: object | string, contentType = 'application/json;charset=utf-8', secret = WRITER) =>
  app.inject({
    method,
    url,
    headers: { 'x-api-key': secret, ...(payload === undefined ? {} : { 'content-type': contentType }) },
    ...(payload === undefined ? {} : { payload: typeof payload === 'string' ? payload : JSON.stringify(payload) }),
  });

test('what is created is answered 201 with its place, and is found there', async () => {
  const created = await send('POST', NOTES, { rank: 6, text: 'six', '@type': 'Note' });
  expect(created.statusCode).toBe(201);
  const note = created.json<TmfResource>();
  expect(created.headers.location).toBe(note.href);
  expect((await send('GET', note.href)).json()).toEqual({ id: note.id, href: note.href, rank: 6, text: 'six', '@type': 'Note' });
  expect((await send('DELETE', note.href)).statusCode).toBe(204);
  expect((await send('GET', note.href)).statusCode).toBe(404);
  expect((await send('DELETE', note.href)).json()).toMatchObject({ code: 'not-found', status: '404', reason: expect.any(String) });
});

test('a list is 200 with both counts, and 206 where offset and limit cut it', async () => {
  const all = await send('GET', NOTES);
  expect([all.statusCode, all.headers['x-total-count'], all.headers['x-result-count']]).toEqual(
    [200, '5', '5'].map((v, i) => (i ? v : 200)),
  );
  const part = await send('GET', `${NOTES}?limit=2&offset=1&rank.lte=4&sort=-rank&fields=rank`);
  expect(part.statusCode).toBe(206);
  expect(part.json<{ rank: number }[]>().map(({ rank }) => rank)).toEqual([3, 2]);
  expect([part.headers['x-total-count'], part.headers['x-result-count']]).toEqual(['4', '2']);
  expect(part.headers.link).toBe(`<${NOTES}?rank.lte=4&sort=-rank&fields=rank&offset=3&limit=2>; rel="next"`);
  expect(Object.keys(part.json<object[]>()[0]!)).toEqual(['id', 'href', 'rank']);
  const whole = await send('GET', `${NOTES}?offset=0&limit=5`);
  expect(whole.statusCode).toBe(200);
  const none = await send('GET', `${NOTES}?rank=77`);
  expect([none.statusCode, none.body, none.headers['x-total-count']]).toEqual([200, '[]', '0']);
  for (const wrong of ['limit=-1', 'offset=x', 'limit=1.5', 'text=%zz'])
    expect((await send('GET', `${NOTES}?${wrong}`)).statusCode).toBe(400);
});

test('a merge patch changes what it names, and neither id nor href', async () => {
  const href = `${NOTES}/${encodeURIComponent('n/1')}`;
  const patched = await send('PATCH', href, { text: 'new', rank: null }, 'application/merge-patch+json');
  expect(patched.statusCode, patched.body).toBe(200);
  expect(patched.json()).toEqual({ id: 'n/1', href, text: 'new' });
  expect((await send('PATCH', href, { id: 'n/1', href, rank: 1 })).json()).toMatchObject({ rank: 1 });
  for (const wrong of [{ id: 'other' }, { href: '/elsewhere' }, { id: null }]) {
    const answer = await send('PATCH', href, wrong);
    expect([answer.statusCode, answer.json<{ code: string }>().code]).toEqual([400, 'invalid']);
  }
  expect((await send('PATCH', `${NOTES}/none`, { text: 'x' })).statusCode).toBe(404);
});

test('errors have TM Forum’s shape, whatever is wrong', async () => {
  const deep = '{"a":'.repeat(100) + '1' + '}'.repeat(100);
  for (const [answer, status] of [
    [await send('POST', NOTES, '[]'), 400],
    [await send('POST', NOTES, ''), 400],
    [await send('POST', NOTES, '{"a":'), 400],
    [await send('POST', NOTES, '{"__proto__":{"admin":true}}'), 400],
    [await send('POST', NOTES, deep), 400],
    [await send('POST', NOTES, '<a/>', 'application/xml'), 415],
    [await send('PUT', NOTES, {}), 405],
    [await send('POST', `${NOTES}/n`, {}), 405],
    [await send('GET', `${BASE}/other`), 404],
    [await send('GET', NOTES, undefined, '', 'no-such-secret-at-all'), 401],
    [await send('POST', NOTES, {}, 'application/json', READER), 403],
  ] as const) {
    expect(answer.statusCode, answer.body).toBe(status);
    expect(answer.headers['content-type']).toContain('application/json');
    expect(answer.json()).toEqual({
      code: expect.any(String),
      reason: expect.any(String),
      message: expect.any(String),
      status: String(status),
      '@type': 'Error',
    });
    expect(refused.at(-1)).toBeDefined();
  }
  expect((await send('PUT', NOTES, {})).headers.allow).toBe('GET, POST');
});
