/** The part of the package `smpp` that is used here; it has no types of its own. */
declare module 'smpp' {
  import type { EventEmitter } from 'node:events';
  import type { Server as NetServer } from 'node:net';

  export interface Pdu {
    readonly command: string;
    readonly command_status: number;
    readonly sequence_number: number;
    readonly message_id?: string;
    readonly receipted_message_id?: string;
    readonly destination_addr?: string;
    readonly [field: string]: unknown;
    response(options?: Readonly<Record<string, unknown>>): Pdu;
  }
  type Fields = Readonly<Record<string, unknown>>;
  type Command = (fields: Fields, onResponse?: (response: Pdu) => void) => boolean;

  export interface Session extends EventEmitter {
    readonly bind_transceiver: Command;
    readonly submit_sm: Command;
    readonly deliver_sm: Command;
    readonly enquire_link: Command;
    readonly unbind: Command;
    send(pdu: Pdu): boolean;
    close(onClosed?: () => void): void;
    destroy(onClosed?: () => void): void;
  }

  export interface Server extends NetServer {
    readonly sessions: Session[];
  }

  interface Smpp {
    connect(options: { readonly host: string; readonly port: number; readonly tls: boolean; readonly connectTimeout?: number }): Session;
    createServer(onSession: (session: Session) => void): Server;
    readonly encodings: {
      readonly ASCII: { match(text: string): boolean; encode(text: string): Buffer };
      readonly UCS2: { encode(text: string): Buffer };
    };
    readonly errors: Readonly<Record<string, number>>;
  }
  const smpp: Smpp;
  export default smpp;
}
