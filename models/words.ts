/** Bytes of any length inside an artifact's arrays: their number, then four to a word. */

export const wordsOfBytes = (bytes: Uint8Array): Int32Array => {
  const words = new Int32Array(1 + Math.ceil(bytes.length / 4));
  words[0] = bytes.length;
  new Uint8Array(words.buffer).set(bytes, 4);
  return words;
};

export const bytesOfWords = (words: Int32Array): Uint8Array => new Uint8Array(words.buffer, words.byteOffset + 4, words[0]).slice();
