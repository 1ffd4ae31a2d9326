/** Opens a model's artifacts for serving: the version once, proved equal to TensorFlow.js, then each snapshot in well under a millisecond. */
import { AttuneError, type ActionProfile, type Scorer } from '#contracts';
import { unpackArtifact } from './artifact.ts';
import { sigmoid } from './calibrator/platt.ts';
import { clampRate } from './calibrator/clamp-rate.ts';
import { createContextCode, createEncoder, type ActionPart, type Encoder } from './encoder/encoder.ts';
import type { InferredHeader } from './inferred/inferred-learner.ts';
import { createInferredOpener } from './inferred/inferred-scorer.ts';
import { createSparseRow } from './head/sparse-row.ts';
import { openVariances, type Variances } from './head/variance.ts';
import { createKernel, KERNEL_CAPACITY, type Kernel } from './kernel/kernel.ts';
import type { Trunk } from './trunk/trunk.ts';
import type { ModelVersion } from './types.ts';
import { unpackVersion, versionOf, type SnapshotHeader } from './version-blob.ts';

const MAX_HEADS = 512;
const TOLERANCE = 1e-5;

/** Throws `model.kernel-differs` when the kernel does not equal TensorFlow.js within 1e-5 of the largest output (at least of 1), `model.unreadable` on damaged bytes. */
export const openVersion = async (versionBlob: Uint8Array): Promise<ModelVersion> => {
  const version = createVersion(versionBlob);
  await proveKernel(version.kernelOf, version.trunk);
  return version;
};

/** One snapshot, where nobody keeps versions open. */
export const openScorer = async (versionBlob: Uint8Array, snapshotBlob: Uint8Array): Promise<Scorer> =>
  (await openVersion(versionBlob)).open(snapshotBlob);

/** Without the proof: for the learner's own process and for tests. */
export const createVersion = (
  versionBlob: Uint8Array,
  build: (trunk: Trunk) => Kernel = (trunk) => createKernel(trunk, MAX_HEADS),
): ModelVersion & { readonly kernelOf: Kernel; readonly trunk: Trunk } => {
  const { loop, encoder: spec, trunk } = unpackVersion(versionBlob);
  const name = versionOf(versionBlob);
  const encoder = createEncoder(spec);
  const kernel = build(trunk);
  const openInferred = createInferredOpener(loop);
  const parts = new WeakMap<ActionProfile, ActionPart>();
  const partOf = (action: ActionProfile): ActionPart => {
    let part = parts.get(action);
    if (part === undefined) parts.set(action, (part = encoder.encodeAction(action)));
    return part;
  };
  return {
    version: name,
    loop,
    kernel: kernel.kind,
    kernelOf: kernel,
    trunk,
    open: (snapshotBlob) => {
      const { header, arrays } = unpackArtifact<SnapshotHeader | (SnapshotHeader & InferredHeader)>(snapshotBlob);
      if (header.version !== name)
        throw new AttuneError('model.mismatch', `snapshot of version ${header.version} cannot be opened with ${name}`);
      if ('generation' in header) return openInferred(header, arrays);
      return createScorer({
        header,
        shared: arrays['shared'] as Float32Array,
        heads: arrays['heads'] as Float32Array,
        variances: openVariances(arrays),
        loop,
        encoder,
        kernel,
        partOf,
      });
    },
  };
};

interface Parts {
  readonly header: SnapshotHeader;
  readonly shared: Float32Array;
  readonly heads: Float32Array;
  readonly variances: Variances | null;
  readonly loop: string;
  readonly encoder: Encoder;
  readonly kernel: Kernel;
  readonly partOf: (action: ActionProfile) => ActionPart;
}

const createScorer = ({ header, shared, heads, variances, loop, encoder, kernel, partOf }: Parts): Scorer => {
  const code = createContextCode(encoder);
  const pair = createSparseRow(64);
  const rowsById = new Map(header.actions.map((id, i) => [id, i + 1]));
  const known = new WeakMap<ActionProfile, { readonly row: number; readonly base: number; readonly part: ActionPart }>();
  const { offset, slope, shift, counts, link } = header;
  const meanOf = (score: number): number =>
    link === 'identity' ? score : link === 'rate' ? clampRate(score) : sigmoid(slope * score + shift);

  /** By the link's slope at that mean. */
  const slopeAt = (mean: number): number => (link === 'logit' ? slope * mean * (1 - mean) : 1);

  const recall = (action: ActionProfile) => {
    const part = partOf(action);
    let base = offset;
    for (let k = 0; k < part.index.length; k++) base += shared[part.index[k]!]! * part.value[k]!;
    const entry = { row: rowsById.get(action.id) ?? 0, base, part };
    known.set(action, entry);
    return entry;
  };

  const scoreBatch: (
    request: Parameters<Scorer['score']>[0],
    actions: readonly ActionProfile[],
    from: number,
    to: number,
    common: number,
    out: Parameters<Scorer['score']>[2],
  ) => void = (request, actions, from, to, common, out) => {
    const { rows, dots } = kernel;
    for (let i = from; i < to; i++) rows[i - from] = (known.get(actions[i]!) ?? recall(actions[i]!)).row;
    kernel.multiply(to - from);
    for (let i = from; i < to; i++) {
      const action = actions[i]!;
      const entry = known.get(action)!;
      encoder.encodePair(request, code, action, entry.part, pair);
      let score = entry.base + common + dots[i - from]!;
      for (let k = 0; k < pair.count; k++) score += shared[pair.index[k]!]! * pair.value[k]!;
      out.propensities[i] = meanOf(score);
      if (variances !== null && out.standardErrors !== undefined)
        out.standardErrors[i] = slopeAt(out.propensities[i]!) * Math.sqrt(variances.of(entry.row, entry.part, pair));
      out.effectiveN[i] = entry.row === 0 ? 0 : counts[entry.row - 1]!;
    }
  };

  return {
    loop,
    version: header.version,
    snapshot: header.snapshot,
    effectiveN: header.effectiveN,
    score(request, actions, out) {
      kernel.use(heads);
      encoder.encodeContext(request, code);
      kernel.x.set(code.x);
      kernel.features();
      variances?.moment(kernel.phi);
      out.hasStandardErrors = variances !== null && out.standardErrors !== undefined;
      let common = 0;
      const { index, value, count } = code.common;
      for (let k = 0; k < count; k++) common += shared[index[k]!]! * value[k]!;
      for (let from = 0; from < actions.length; from += KERNEL_CAPACITY) {
        scoreBatch(request, actions, from, Math.min(actions.length, from + KERNEL_CAPACITY), common, out);
      }
    },
  };
};

/** Sixteen odd vectors through both; once a version. */
const proveKernel = async (kernel: Kernel, trunk: Trunk): Promise<void> => {
  const { openTensorflowTrunk } = await import('./trunk/tensorflow.ts');
  const reference = await openTensorflowTrunk(trunk);
  const rows = 16;
  const x = Float32Array.from({ length: rows * trunk.inputs }, (_, i) => (i % 3 === 0 ? 0 : Math.sin(i * 12.9898) * 2));
  const expected = reference.predict(x, rows);
  reference.dispose();
  for (let row = 0; row < rows; row++) {
    kernel.x.set(x.subarray(row * trunk.inputs, (row + 1) * trunk.inputs));
    kernel.features();
    const right = expected.subarray(row * trunk.outputs, (row + 1) * trunk.outputs);
    const largest = right.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
    for (let r = 0; r < trunk.outputs; r++) {
      const gap = Math.abs(kernel.phi[trunk.inputs + r]! - right[r]!);
      if (!(gap <= TOLERANCE * largest))
        throw new AttuneError(
          'model.kernel-differs',
          `the ${kernel.kind} kernel differs from TensorFlow.js by ${gap}: the model is refused`,
        );
    }
  }
};
