/** How an event names the record of the operator's own topic that it was made of: by its source and id, so that the state can count it once. */

/** Of CloudEvents sources that only Attune's ingest writes; the API refuses them. */
export const INGEST_SOURCE = 'attune-source:';

/** @param topicId of the topic's life: a topic that was deleted and made again begins at offset 0 with other records */
export const ingestSource = (name: string, topicId: string): string => `${INGEST_SOURCE}${name}/${topicId}`;

export const ingestId = (topic: string, partition: number, offset: number): string => `${topic}/${partition}/${offset}`;

export interface SourcePlace {
  readonly partition: number;
  readonly offset: number;
}

const PLACE = /\/(\d{1,9})\/(\d{1,15})$/;

/** Null: not an event of ingest. */
export const placeOfSourceRecord = (source: string, id: string): SourcePlace | null => {
  if (!source.startsWith(INGEST_SOURCE)) return null;
  const match = PLACE.exec(id);
  return match === null ? null : { partition: Number(match[1]), offset: Number(match[2]) };
};
