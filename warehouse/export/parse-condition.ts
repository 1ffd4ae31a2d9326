/** A condition of `--where`: a column, a comparison, a value; never SQL, so nothing but this can be asked with it. */
import { AttuneError } from '#contracts';

export interface Condition {
  readonly column: string;
  readonly comparison: '=' | '!=' | '<' | '<=' | '>' | '>=';
  readonly value: string;
}

const CONDITION = /^\s*([A-Za-z_][\w.]*)\s*(!=|<=|>=|=|<|>)\s*([^]*?)\s*$/;

/** `channel=app`, `rank=1`, `reward>0`. Throws `export.invalid`. */
export const parseCondition = (text: string): Condition => {
  const [, column, comparison, value] = CONDITION.exec(text) ?? [];
  if (column === undefined)
    throw new AttuneError('export.invalid', `--where takes COLUMN=VALUE (also !=, <, <=, >, >=), as in channel=app; not '${text}'`);
  return { column, comparison: comparison as Condition['comparison'], value: value! };
};
