/** The TM Forum faces, as far as the pipeline's process needs them: who is to be told of a message's step. No HTTP. */
export { createCommunicationAnnouncer } from './communication/announce.ts';
