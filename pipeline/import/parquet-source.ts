/** Rows of a Parquet file, a slice of a row group at a time. */
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, parquetSchema } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { AttuneError } from '#contracts';
import type { Source, SourceRecord } from './source.ts';

const SLICE = 20_000;

/** Throws `import.file` when it is no Parquet file. */
export const openParquet = async (path: string): Promise<Source> => {
  const file = await asyncBufferFromFile(path);
  const metadata = await parquetMetadataAsync(file).catch((cause: unknown) => {
    throw new AttuneError('import.file', `${path} is not a Parquet file: ${(cause as Error).message}`, { cause });
  });
  const columns = parquetSchema(metadata).children.map(({ element }) => element.name);
  const rows = Number(metadata.num_rows);
  return {
    columns,
    rows,
    async *records(afterLine) {
      for (let group = 0, first = 0; group < metadata.row_groups.length; group++) {
        const end = first + Number(metadata.row_groups[group]!.num_rows);
        for (let from = Math.max(first, afterLine); from < end; from += SLICE) {
          const rowEnd = Math.min(end, from + SLICE);
          const objects = await parquetReadObjects({ file, metadata, compressors, rowStart: from, rowEnd });
          const records = objects.map((object, i): SourceRecord => ({
            line: from + i + 1,
            values: columns.map((column) => object[column]),
            fault: null,
          }));
          yield { records, share: rowEnd / rows };
        }
        first = end;
      }
    },
  };
};
