/** Whether an error of the log's is worth another attempt; what is not ours to judge may pass. */
import { AttuneError } from '#contracts';

export const mayPass = (error: unknown): boolean => !(error instanceof AttuneError) || error.retriable;
