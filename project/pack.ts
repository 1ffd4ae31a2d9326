/** A project as one blob, so that catalogs which have decided are kept by hash. */
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib';
import { AttuneError } from '#contracts';
import { createProject } from './project.ts';
import type { Project } from './project.ts';

/** The same project gives the same bytes. */
export const packProject = (project: Project): Uint8Array =>
  brotliCompressSync(Buffer.from(JSON.stringify({ format: 'attune.project.v1', files: Object.fromEntries(project.files) }), 'utf8'), {
    params: { [constants.BROTLI_PARAM_QUALITY]: 6 },
  });

/** Throws `project.unreadable` on bytes that are no packed project. */
export const unpackProject = (bytes: Uint8Array): Project => {
  let packed: { format?: unknown; files?: unknown };
  try {
    packed = JSON.parse(brotliDecompressSync(bytes, { maxOutputLength: 64 * 1024 * 1024 }).toString('utf8')) as typeof packed;
  } catch (cause) {
    throw new AttuneError('project.unreadable', `not a packed project (${bytes.length} bytes)`, { cause });
  }
  if (packed.format !== 'attune.project.v1' || typeof packed.files !== 'object' || packed.files === null) {
    throw new AttuneError('project.unreadable', `unknown project format '${String(packed.format)}'`);
  }
  return createProject(new Map(Object.entries(packed.files as Record<string, string>)));
};
