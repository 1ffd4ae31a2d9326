/** Several processes' metrics as one text: Prometheus wants each metric's samples together under one help and type. */

/** Each text is what a registry gives; samples that are alike must differ by a label. */
export const mergeMetrics = (texts: readonly string[]): string => {
  const families = new Map<string, { readonly head: string; readonly samples: string[] }>();
  for (const block of texts.flatMap((text) => text.split(/^(?=# HELP )/m))) {
    const [help = '', type = '', ...samples] = block.split('\n').filter((line) => line !== '');
    if (help === '') continue;
    const name = help.split(' ')[2] ?? '';
    const family = families.get(name) ?? { head: `${help}\n${type}\n`, samples: [] };
    family.samples.push(...samples);
    families.set(name, family);
  }
  return [...families.values()].map(({ head, samples }) => head + samples.map((sample) => `${sample}\n`).join('')).join('');
};
