/** A text as the short messages that carry it (3GPP TS 23.038 and 23.040). */
import smpp from 'smpp';

/** `data_coding` of SMPP. */
const GSM = 0x00;
const UCS2 = 0x08;
const ESCAPE = 0x1b;

export interface ShortText {
  readonly dataCoding: number;
  readonly bytes: Buffer;
}

/** In the GSM alphabet (an octet a septet) where it has every character, else in UCS-2. */
export const encodeText = (text: string): ShortText =>
  smpp.encodings.ASCII.match(text)
    ? { dataCoding: GSM, bytes: smpp.encodings.ASCII.encode(text) }
    : { dataCoding: UCS2, bytes: smpp.encodings.UCS2.encode(text) };

/** Of one message: 160 septets or 140 octets; of parts with a header of six octets: 153 septets or 134 octets. */
const SIZES = { [GSM]: { whole: 160, part: 153 }, [UCS2]: { whole: 140, part: 134 } };

/** One piece where the text fits, else pieces that leave room for the header. No character is cut in two. */
export const splitText = ({ dataCoding, bytes }: ShortText): readonly Buffer[] => {
  const { whole, part } = SIZES[dataCoding as keyof typeof SIZES];
  if (bytes.length <= whole) return [bytes];
  const pieces: Buffer[] = [];
  for (let from = 0; from < bytes.length;) {
    const to = endOfPiece(bytes, from, part, dataCoding);
    pieces.push(bytes.subarray(from, to));
    from = to;
  }
  return pieces;
};

const endOfPiece = (bytes: Buffer, from: number, part: number, dataCoding: number): number => {
  const to = Math.min(from + part, bytes.length);
  if (to === bytes.length) return to;
  if (dataCoding === GSM) return bytes[to - 1] === ESCAPE ? to - 1 : to;
  const isHighSurrogate = (bytes[to - 2]! & 0xfc) === 0xd8;
  return isHighSurrogate ? to - 2 : to;
};

/** User data header of a concatenated message with an 8-bit reference. */
export const headerOf = (reference: number, total: number, number: number): Buffer => Buffer.from([5, 0, 3, reference, total, number]);
