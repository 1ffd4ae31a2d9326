/** A learner's checkpoint says how it is laid out; one that this code does not know is refused, and never read as something else. */
import { AttuneError } from '#contracts';

/** Throws `model.unreadable`. @param of whose checkpoint, for people */
export const requireFormat = (of: string, format: unknown, known: readonly number[]): void => {
  if (known.includes(format as number)) return;
  throw new AttuneError(
    'model.unreadable',
    `the checkpoint of ${of} has format ${String(format)}, and this Attune reads ${known.join(' and ')}: ` +
      'start the version that wrote it or a newer one, or move the checkpoint away to learn again from the log',
  );
};
