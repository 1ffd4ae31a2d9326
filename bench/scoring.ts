/** Encode, score, arbitrate, choose, and nothing else: TensorFlow.js, plain loops and the WASM SIMD kernel side by side. */
import { UNKNOWN_CUSTOMER, type ActionProfile, type CustomerView, type Experience, type ScoringRequest } from '#contracts';
import { createLearner, createLearnerOf, createVersion, type EncoderSpec, type Learner } from '#models';
import { gammaOf, inverseGapWeighting, sampleIndex, scalePriorities } from '#models/exploration';
import { createKernel, createPlainKernel, strideOf, type Kernel } from '../models/kernel/kernel.ts';
import { trunkOf, type DenseLayer, type Trunk } from '../models/trunk/trunk.ts';
import { packVersion } from '../models/version-blob.ts';
import { openTensorflowTrunk, type TensorflowTrunk } from '../models/trunk/tensorflow.ts';

const ACTIONS = 20;
const FEATURES = 50;
const SECONDS = 2;
const REQUESTS = 512;

const names = Array.from({ length: FEATURES }, (_, i) => `f${i}`);
const encoder: EncoderSpec = {
  kind: 'declared',
  priorRate: 0.05,
  profile: ['group', 'topic'],
  crosses: [
    { profile: 'topic', source: 'context', name: 'page' },
    { profile: 'group', source: 'request', name: 'channel' },
  ],
  fields: names.map((name) => ({
    source: 'feature',
    name,
    missing: false,
    encoding: { as: 'number', transform: 'none', shift: 0, scale: 1, clip: 3 },
  })),
};
const actions: ActionProfile[] = Array.from({ length: ACTIONS }, (_, i) => ({
  id: `a${i}`,
  features: { group: `g${i % 4}`, topic: `t${i % 7}` },
}));
const requests = Array.from({ length: REQUESTS }, (_, i) => createRequest(i));
const { versionBlob, snapshotBlob } = train(createLearner({ encoder, loop: '' }));

function createRequest(seed: number): ScoringRequest {
  const features = Float32Array.from(names, (_, i) => Math.sin(seed * 31.7 + i * 7.1));
  const view: CustomerView = {
    ...UNKNOWN_CUSTOMER,
    known: true,
    features,
    featureNames: names,
  };
  return { view, context: { page: `p${seed % 5}` }, channel: 'app', direction: 'inbound', placement: null, nowMs: 1_750_000_000_000 };
}

/** As `attune train` makes them: x → 128 → 64. */
function layered(): Uint8Array {
  const dense = (inputs: number, outputs: number): DenseLayer => ({
    kind: 'dense',
    inputs,
    outputs,
    activation: 'relu',
    w: Float32Array.from({ length: inputs * outputs }, (_, i) => Math.sin(i * 12.9898) / Math.sqrt(inputs)),
    b: new Float32Array(outputs),
  });
  const { inputs } = createVersion(versionBlob).trunk;
  return packVersion({ loop: '', encoder, trunk: trunkOf([dense(inputs, 128), dense(128, 64)]) });
}

function train(learner: Learner): { versionBlob: Uint8Array; snapshotBlob: Uint8Array } {
  const started = performance.now();
  const rows = 4000;
  for (let i = 0; i < rows; i++) {
    const experience: Experience = {
      decisionId: `d${i}`,
      rank: 1,
      request: requests[i % REQUESTS]!,
      action: actions[i % ACTIONS]!,
      probability: 0.1,
      propensity: 0.05,
      decidedAtMs: 1_750_000_000_000,
    };
    learner.learnShown(experience, i % 11 === 0 ? 1 : 0);
  }
  console.log(`learner: ${Math.round((rows * 1000) / (performance.now() - started))} experiences/s, own solves included`);
  const published = performance.now();
  const publication = learner.publish();
  console.log(
    `publish: ${(performance.now() - published).toFixed(1)} ms, snapshot ${publication.snapshotBlob.length} bytes, version ${publication.versionBlob.length} bytes`,
  );
  return publication;
}

/** The trunk by TensorFlow.js, the heads by plain loops: what serving would do without a kernel. */
const tensorflowKernel = (trunk: Trunk, model: TensorflowTrunk): Kernel => {
  const plain = createPlainKernel(trunk);
  return {
    ...plain,
    stride: strideOf(trunk),
    features: () => plain.phi.set(model.predict(plain.x, 1), trunk.inputs),
  };
};

const measure = (build: (trunk: Trunk) => Kernel, model = { versionBlob, snapshotBlob }): number => {
  const version = createVersion(model.versionBlob, build);
  const scorer = version.open(model.snapshotBlob);
  const out = { propensities: new Float32Array(ACTIONS), effectiveN: new Float32Array(ACTIONS) };
  const priorities = new Float64Array(ACTIONS);
  const gammas = new Float64Array(ACTIONS);
  const probabilities = new Float64Array(ACTIONS);
  let sum = 0;
  const decide = (i: number): void => {
    scorer.score(requests[i % REQUESTS]!, actions, out);
    for (let a = 0; a < ACTIONS; a++) {
      priorities[a] = out.propensities[a]! * (10 + a);
      gammas[a] = gammaOf(out.effectiveN[a]!);
    }
    inverseGapWeighting(scalePriorities(priorities, ACTIONS, priorities), gammas, ACTIONS, probabilities);
    sum += sampleIndex(probabilities, ACTIONS, ((i * 2654435761) % 4294967296) / 4294967296);
  };
  for (let i = 0; i < 2000; i++) decide(i);
  const started = performance.now();
  let done = 0;
  while (performance.now() - started < SECONDS * 1000) for (let k = 0; k < 100; k++) decide(done++);
  if (sum < 0) throw new Error('unreachable');
  return Math.round((done * 1000) / (performance.now() - started));
};

const swapMs = (): number => {
  const version = createVersion(versionBlob);
  const out = { propensities: new Float32Array(ACTIONS), effectiveN: new Float32Array(ACTIONS) };
  const started = performance.now();
  for (let i = 0; i < 50; i++) version.open(snapshotBlob).score(requests[i]!, actions, out);
  return (performance.now() - started) / 50;
};

const { trunk } = createVersion(versionBlob);
const wasm = await openTensorflowTrunk(trunk, 'wasm');
const results = [
  { backend: `TensorFlow.js ${wasm.backend}`, decisionsPerSecond: measure((t) => tensorflowKernel(t, wasm)) },
  { backend: 'plain loops', decisionsPerSecond: measure(createPlainKernel) },
  { backend: 'WASM SIMD kernel (serves)', decisionsPerSecond: measure((t) => createKernel(t)) },
  {
    backend: 'WASM SIMD kernel, trained trunk x → 128 → 64',
    decisionsPerSecond: measure((t) => createKernel(t), train(createLearnerOf(layered()))),
  },
];
console.table(results);
console.log(`snapshot swap, first decision included: ${swapMs().toFixed(2)} ms`);
console.log(
  JSON.stringify({
    bench: 'scoring',
    decisionsPerSecond: results[2]!.decisionsPerSecond,
    actions: ACTIONS,
    features: FEATURES,
    tensorflowWasm: results[0]!.decisionsPerSecond,
    plain: results[1]!.decisionsPerSecond,
    trainedTrunk: results[3]!.decisionsPerSecond,
    target: 50_000,
  }),
);
