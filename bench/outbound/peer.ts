/** A mail server or an SMSC in a process of its own, which counts what it takes. Its parent sends the kind, then asks for the count. */
import type { AddressInfo, Server as NetServer } from 'node:net';
import { SMTPServer } from 'smtp-server';
import smpp from 'smpp';
import type { Pdu } from 'smpp';

export type PeerTask = { readonly kind: 'smtp' | 'smpp' } | { readonly kind: 'count' };

export interface PeerCount {
  readonly taken: number;
  /** Addresses that got a message: each is to get one. */
  readonly addresses: number;
}

/** The receipt of an SMS comes when the phone has it. */
const TO_THE_PHONE_MS = 100;

const seen = new Set<string>();
let taken = 0;
const take = (address: string): void => {
  taken++;
  seen.add(address);
};

const startMailServer = async (): Promise<NetServer> => {
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onData(stream, { envelope }, done) {
      stream.resume();
      stream.on('end', () => {
        for (const { address } of envelope.rcptTo) take(address);
        done(null, 'queued');
      });
    },
  });
  server.on('error', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server.server;
};

const startSmsc = async (): Promise<NetServer> => {
  const server = smpp.createServer((session) => {
    session.on('error', () => {});
    session.on('bind_transceiver', (pdu: Pdu) => session.send(pdu.response()));
    session.on('enquire_link', (pdu: Pdu) => session.send(pdu.response()));
    session.on('unbind', (pdu: Pdu) => {
      session.send(pdu.response());
      session.close();
    });
    session.on('submit_sm', (pdu: Pdu) => {
      take(pdu.destination_addr!);
      const id = String(taken);
      session.send(pdu.response({ message_id: id }));
      const receipt = `id:${id} sub:001 dlvrd:001 submit date:2612010000 done date:2612010000 stat:DELIVRD err:000 text:`;
      setTimeout(() => {
        session.deliver_sm({
          esm_class: 4,
          source_addr: pdu.destination_addr,
          destination_addr: 'Attune',
          short_message: receipt,
          receipted_message_id: id,
          message_state: 2,
        });
      }, TO_THE_PHONE_MS);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
};

process.on('message', (task: PeerTask) => {
  if (task.kind === 'count') process.send!({ taken, addresses: seen.size } satisfies PeerCount);
  else
    void (task.kind === 'smtp' ? startMailServer() : startSmsc()).then((server) =>
      process.send!({ port: (server.address() as AddressInfo).port }),
    );
});
process.on('disconnect', () => process.exit(0));
