/** e^x from the four operations alone: a receipt must be decided again bit for bit on any machine, and Math.exp may differ between engines. */

const LN2_HIGH = 0.6931471803691238;
const LN2_LOW = 1.9082149292705877e-10;
const INVERSE_LN2 = Math.LOG2E;
const LOWEST = -1022;

/** 2^k by doubling, which is exact; k from -1022 to 1023. */
const POWERS = new Float64Array(1023 - LOWEST + 1);
POWERS[-LOWEST] = 1;
for (let k = 1; k <= 1023; k++) POWERS[k - LOWEST] = POWERS[k - 1 - LOWEST]! * 2;
for (let k = -1; k >= LOWEST; k--) POWERS[k - LOWEST] = POWERS[k + 1 - LOWEST]! / 2;

/** Relative error below 4e-16 for x in [-708, 709]; 0 below, Infinity above, NaN for NaN. */
export const exactExp = (x: number): number => {
  if (!(x <= 709)) return x > 709 ? Infinity : Number.NaN;
  if (x < -708) return 0;
  const k = Math.round(x * INVERSE_LN2);
  const r = x - k * LN2_HIGH - k * LN2_LOW;
  let sum = 1;
  for (let n = 13; n > 0; n--) sum = 1 + (r / n) * sum;
  return sum * POWERS[k - LOWEST]!;
};
