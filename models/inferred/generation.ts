/** A generation of a caller's loop: the fields found in its rows and the random Fourier features over them, from which φ follows. */
import { createHash } from 'node:crypto';
import { AttuneError, type ScoringRequest } from '#contracts';
import { createKernel, createPlainKernel, strideOf, type Kernel } from '../kernel/kernel.ts';
import { randomFourierFeatures } from '../trunk/random-fourier.ts';
import { createFieldEncoder, type InferredField, type InferredFields } from './fields.ts';

/** All that a generation is, besides its knots: the weights follow from the seed. */
export interface GenerationSpec {
  readonly fields: readonly InferredField[];
  readonly outputs: number;
  /** In radians over the whole of x. */
  readonly bandwidth: number;
  readonly seed: number;
}

export interface Generation {
  readonly spec: GenerationSpec;
  readonly knots: Float64Array;
  /** 16 hex digits: equal for equal content. */
  readonly key: string;
  readonly xDims: number;
  /** φ is x, the Fourier features, and padding: of this length. */
  readonly stride: number;
  readonly kernel: Kernel;
  /** Leaves φ in kernel.phi. */
  features(request: ScoringRequest): void;
}

const TOLERANCE = 1e-5;

/**
 * The frequencies are scaled by 1/√fields, so that a bandwidth means the same for few and for many of them.
 * @param maxHeads rows of heads that the kernel has room for
 * @throws AttuneError `model.kernel-differs` when the kernel and plain arithmetic differ by more than 1e-5
 */
export const openGeneration = (spec: GenerationSpec, knots: Float64Array, maxHeads: number): Generation => {
  const encoder = createFieldEncoder({ fields: spec.fields, knots } satisfies InferredFields);
  const trunk = randomFourierFeatures({
    inputs: encoder.xDims,
    outputs: spec.outputs,
    seed: spec.seed,
    bandwidth: spec.bandwidth / Math.sqrt(Math.max(1, spec.fields.length)),
    norm: 1,
  });
  const kernel = createKernel(trunk, maxHeads);
  prove(kernel, createPlainKernel(trunk), trunk.inputs + trunk.outputs);
  return {
    spec,
    knots,
    key: createHash('sha256').update(JSON.stringify(spec)).update(knots).digest('hex').slice(0, 16),
    xDims: encoder.xDims,
    stride: strideOf(trunk),
    kernel,
    features(request) {
      encoder.encode(request, kernel.x);
      kernel.features();
    },
  };
};

/** The version's own trunk has been proved against TensorFlow.js with the same kernel; here plain arithmetic is enough. */
const prove = (kernel: Kernel, plain: Kernel, dims: number): void => {
  for (let row = 0; row < 4; row++) {
    for (let i = 0; i < kernel.x.length; i++) kernel.x[i] = plain.x[i] = i === 0 ? 1 : Math.sin((row + 1) * i * 12.9898) * 1.7;
    kernel.features();
    plain.features();
    for (let i = 0; i < dims; i++) {
      const gap = Math.abs(kernel.phi[i]! - plain.phi[i]!);
      if (!(gap <= TOLERANCE))
        throw new AttuneError(
          'model.kernel-differs',
          `the ${kernel.kind} kernel differs from plain arithmetic by ${gap}: the model is refused`,
        );
    }
  }
};
