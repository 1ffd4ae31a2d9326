/** Keys: what is accepted, what is refused, and that nothing of a secret is told. */
import { expect, test } from 'vitest';
import { findApiKey, parseApiKeys, refusalToOpen } from './api-keys.ts';

const SECRET = 'a-secret-of-some-length';

test('a key is found by its secret and knows its scopes', () => {
  const keys = parseApiKeys(`app:decide+observe:${SECRET}, ops:admin:another:secret:with:colons`);
  expect(findApiKey(keys, SECRET)?.name).toBe('app');
  expect([...findApiKey(keys, SECRET)!.scopes]).toEqual(['decide', 'observe']);
  expect(findApiKey(keys, 'another:secret:with:colons')?.name).toBe('ops');
  expect(findApiKey(keys, `${SECRET} `)).toBeNull();
  expect(findApiKey(keys, '')).toBeNull();
});

test('the secret itself is not kept', () => {
  expect(JSON.stringify(parseApiKeys(`app:decide:${SECRET}`))).not.toContain(SECRET);
});

test('every fault is listed and no secret is among them', () => {
  const parse = (): unknown => parseApiKeys(`app:decide:short-one,app:fly:${SECRET},b d:read:${SECRET}`);
  expect(parse).toThrow(
    /key 1 \(app\) needs a secret of at least 16.*key 2 \(app\) is there twice.*key 2 \(app\) has a scope.*key 3 needs a name/,
  );
  try {
    parse();
  } catch (error) {
    expect(String(error)).not.toContain(SECRET);
    expect(String(error)).not.toContain('short-one');
  }
});

test('without keys the API opens on loopback only', () => {
  for (const host of ['127.0.0.1', '127.8.0.1', 'localhost', '::1']) expect(refusalToOpen(host, [])).toBeNull();
  for (const host of ['0.0.0.0', '::', '10.0.0.4', 'attune.example', '127.0.0.1.example'])
    expect(refusalToOpen(host, [])).toContain('ATTUNE_API_KEYS');
  expect(refusalToOpen('0.0.0.0', parseApiKeys(`app:decide:${SECRET}`))).toBeNull();
});
