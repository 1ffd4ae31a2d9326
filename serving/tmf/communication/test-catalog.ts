/** The telco catalog with channels of its own and an action for requests by TMF681; for tests. */
import { cp, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CATALOG_DIR } from '../../test-serving.ts';

const CHANNELS = {
  requests: { action: 'any-message', purposes: { offer: 'offer-by-request' } },
  channels: {
    email: { adapter: 'smtp', address: 'email', settings: { host: 'localhost', from: 'care@example.org' } },
    sms: { adapter: 'file', address: 'phone', settings: { path: 'sms.jsonl' } },
  },
};

const ACTIONS = `actions:
  - id: any-message
    name: A message that somebody asked for
    group: service
    topic: support
    value: 10
    mandatory: true
    eligibility:
      - when: context.reason == "tmf681"
        reason: It goes out on request only.
    treatments:
      - channel: [sms, email]
        content: { subject: Message, body: Message }
  - id: offer-by-request
    name: An offer that somebody asked for
    group: offer
    topic: plan
    value: 10
    mandatory: true
    eligibility:
      - when: context.reason == "tmf681"
        reason: It goes out on request only.
    treatments:
      - channel: [sms, email]
        content: { subject: Message, body: Message }
`;

/** @returns the folder; the caller removes it */
export const makeTestCatalog = async (callbacks: { readonly allowPrivate: boolean }): Promise<string> => {
  const dir = await mkdtemp(join(tmpdir(), 'attune-tmf-catalog-'));
  await cp(CATALOG_DIR, dir, { recursive: true });
  await writeFile(join(dir, 'channels.yaml'), JSON.stringify({ callbacks, ...CHANNELS }));
  await writeFile(join(dir, 'actions', 'requests.yaml'), ACTIONS);
  return dir;
};
