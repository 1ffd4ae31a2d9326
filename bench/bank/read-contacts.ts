/** The contacts of UCI Bank Marketing (Moro et al. 2014), in time order; `duration` is left out, since it is known only after the call. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { unzipSync } from 'fflate';

const FILE = 'bank-additional-full.csv';

export interface BankContact {
  /** As `customer.updated` has it. */
  readonly customer: Readonly<Record<string, string | number>>;
  /** As `contact.made` has it. */
  readonly call: Readonly<Record<string, string | number>>;
  readonly context: Readonly<Record<string, string | number>>;
  readonly accepted: boolean;
}

/** @param dir holds bank-additional-full.csv, or bank-additional.zip with it */
export const readContacts = (dir: string): readonly BankContact[] => {
  const rows = parse<Record<string, string>>(readText(dir), { delimiter: ';', columns: true });
  return rows.map((row, i) => {
    const text = (name: string): string => {
      const value = row[name];
      if (value === undefined) throw new Error(`${FILE}: row ${i + 2} has no column "${name}"`);
      return value;
    };
    const number = (name: string): number => {
      const value = Number(text(name));
      if (Number.isNaN(value)) throw new Error(`${FILE}: row ${i + 2}: ${name} is not a number: "${text(name)}"`);
      return value;
    };
    const previously = number('pdays');
    return {
      customer: {
        age: number('age'),
        job: text('job'),
        marital: text('marital'),
        education: text('education'),
        creditDefault: text('default'),
        housingLoan: text('housing'),
        personalLoan: text('loan'),
        previousContacts: number('previous'),
        // 999 says that there was none.
        ...(previously === 999 ? {} : { daysSincePrevious: previously }),
        previousOutcome: text('poutcome'),
      },
      call: { contact: text('contact'), month: text('month'), weekday: text('day_of_week'), number: number('campaign') },
      context: {
        contact: text('contact'),
        month: text('month'),
        weekday: text('day_of_week'),
        employmentVariation: number('emp.var.rate'),
        consumerPrices: number('cons.price.idx'),
        consumerConfidence: number('cons.conf.idx'),
        euribor3m: number('euribor3m'),
        employed: number('nr.employed'),
      },
      accepted: text('y') === 'yes',
    };
  });
};

const readText = (dir: string): string => {
  const plain = join(dir, FILE);
  if (existsSync(plain)) return readFileSync(plain, 'utf8');
  const zip = join(dir, 'bank-additional.zip');
  if (!existsSync(zip))
    throw new Error(
      `neither ${FILE} nor bank-additional.zip is in ${dir}; --data names the folder (https://archive.ics.uci.edu/dataset/222)`,
    );
  const entry = Object.entries(
    unzipSync(readFileSync(zip), { filter: ({ name }) => name.endsWith(`/${FILE}`) && !name.startsWith('__MACOSX') }),
  )[0];
  if (entry === undefined) throw new Error(`${zip} holds no ${FILE}`);
  return new TextDecoder().decode(entry[1]);
};
