/** What every channel's adapter must do, written once: an adapter's test is this suite with a real peer of its protocol. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ChannelAdapter, OutboundMessage } from '#contracts';

/** A message as the peer has it. */
export interface Arrived {
  readonly address: string;
  readonly text: string;
}

/** A peer that speaks the protocol, and can be told how to behave. */
export interface Peer {
  /** `silent` takes the whole message and says nothing; `busy` says later; `refusing` says never. */
  behave(how: 'well' | 'silent' | 'busy' | 'refusing'): void;
  arrived(): Promise<readonly Arrived[]>;
  /** Nothing listens any more; connections are cut. */
  stop(): Promise<void>;
  /** On the same port. */
  start(): Promise<void>;
}

export interface AdapterUnderTest {
  /** With a time-out of 500 ms. */
  readonly adapter: ChannelAdapter;
  /** Null: there is no peer that could fail. */
  readonly peer: Peer | null;
  readonly arrived: () => Promise<readonly Arrived[]>;
  readonly address: string;
  dispose(): Promise<void>;
}

export const aMessage = (address: string, more: Partial<OutboundMessage> = {}): OutboundMessage => ({
  communicationId: '0193a5b0c0de7000800000000000abcd',
  channel: 'test',
  address,
  content: { subject: 'Your bill', body: 'It is 20 € – "less" than in März.' },
  language: 'en',
  expiresAtMs: Date.UTC(2036, 0, 1),
  attempt: 1,
  ...more,
});

const idOf = (number: number): string => `0193a5b0c0de70008000${number.toString(16).padStart(12, '0')}`;
const never = (): AbortSignal => new AbortController().signal;

export const describeChannelAdapterContract = (name: string, create: () => Promise<AdapterUnderTest>): void => {
  describe(`channel adapter contract: ${name}`, () => {
    let underTest: AdapterUnderTest;
    let adapter: ChannelAdapter;
    const message = (more: Partial<OutboundMessage> = {}) => aMessage(underTest.address, more);

    beforeEach(async () => {
      underTest = await create();
      ({ adapter } = underTest);
    });
    afterEach(async () => {
      await adapter.close();
      await underTest.dispose();
    });

    it('brings a message whole to its address', async () => {
      expect(await adapter.send(message(), never())).toMatchObject({ kind: 'sent' });
      expect(await underTest.arrived()).toEqual([{ address: underTest.address, text: 'It is 20 € – "less" than in März.' }]);
    });

    it('brings each of many at once exactly once', async () => {
      const bodies = Array.from({ length: 12 }, (_, number) => `message ${number}`);
      const results = await Promise.all(
        bodies.map((body, number) => adapter.send(message({ communicationId: idOf(number), content: { subject: 's', body } }), never())),
      );
      expect(results.map(({ kind }) => kind)).toEqual(bodies.map(() => 'sent'));
      const arrived = await underTest.arrived();
      expect(arrived.map(({ text }) => text).toSorted()).toEqual(bodies.toSorted());
    });

    it('finds its peer well', async () => {
      await expect(adapter.check(never())).resolves.toBeUndefined();
    });

    it('sends nothing when told to stop before, and nothing once closed, which it is twice', async () => {
      expect(await adapter.send(message(), AbortSignal.abort())).toMatchObject({ kind: 'retry' });
      await adapter.close();
      await adapter.close();
      expect(await adapter.send(message(), never())).toMatchObject({ kind: 'retry' });
      expect(await underTest.arrived()).toEqual([]);
    });

    it('says what the peer refuses for good, and what it puts off', async () => {
      if (underTest.peer === null) return;
      underTest.peer.behave('refusing');
      expect(await adapter.send(message(), never())).toMatchObject({ kind: 'refused', reason: expect.stringMatching(/\S/) });
      underTest.peer.behave('busy');
      expect(await adapter.send(message(), never())).toMatchObject({ kind: 'retry' });
      underTest.peer.behave('well');
      expect(await adapter.send(message(), never())).toMatchObject({ kind: 'sent' });
      expect(await underTest.arrived()).toHaveLength(1);
    });

    it('knows that a message did not leave when nobody is there, and sends again when the peer is back', async () => {
      if (underTest.peer === null) return;
      expect(await adapter.send(message({ content: { subject: 's', body: 'before' } }), never())).toMatchObject({ kind: 'sent' });
      await underTest.peer.stop();
      // Connections that were cut are seen to be.
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(await adapter.send(message(), never())).toMatchObject({ kind: 'retry' });
      await expect(adapter.check(never())).rejects.toThrow(/\S/);
      await underTest.peer.start();
      await expect(adapter.check(never())).resolves.toBeUndefined();
      expect(await adapter.send(message({ content: { subject: 's', body: 'after' } }), never())).toMatchObject({ kind: 'sent' });
      expect((await underTest.arrived()).map(({ text }) => text)).toEqual(['before', 'after']);
    });

    it('does not claim to know when the peer took a message and went silent', async () => {
      if (underTest.peer === null) return;
      underTest.peer.behave('silent');
      expect(await adapter.send(message(), never())).toMatchObject({ kind: 'unknown', reason: expect.stringMatching(/\S/) });
    });

    it('ends at once when told to stop while it waits', async () => {
      if (underTest.peer === null) return;
      underTest.peer.behave('silent');
      const stop = new AbortController();
      const sending = adapter.send(message(), stop.signal);
      setTimeout(() => stop.abort(), 200);
      expect(await sending).toMatchObject({ kind: 'unknown' });
    });
  });
};
