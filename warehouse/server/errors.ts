/** ClickHouse's own error shape: a number, a text, and the HTTP status that its server would give. */

export class ClickHouseFault extends Error {
  readonly clickhouseCode: number;

  /** @param text whole, as ClickHouse prints it: "Code: N. DB::Exception: … (TYPE)" */
  constructor(clickhouseCode: number, text: string, options?: { cause?: unknown }) {
    super(text, options);
    this.name = 'ClickHouseFault';
    this.clickhouseCode = clickhouseCode;
  }
}

export const fault = (code: number, type: string, message: string): ClickHouseFault =>
  new ClickHouseFault(code, `Code: ${code}. DB::Exception: ${message}. (${type})`);

/** What the engine threw, with its number read from its text; 1001 (STD_EXCEPTION) where it names none. */
export const faultOf = (cause: unknown): ClickHouseFault => {
  if (cause instanceof ClickHouseFault) return cause;
  const text = cause instanceof Error ? cause.message : String(cause);
  const code = /Code: (\d+)\./.exec(text)?.[1];
  if (code === undefined) return new ClickHouseFault(1001, `Code: 1001. DB::Exception: ${text}. (STD_EXCEPTION)`, { cause });
  return new ClickHouseFault(Number(code), text, { cause });
};

const STATUS: Readonly<Record<number, number>> = {
  62: 400,
  164: 403,
  497: 403,
  516: 403,
  47: 404,
  60: 404,
  81: 404,
  159: 408,
  456: 400,
  36: 400,
  241: 500,
};

export const statusOf = (error: ClickHouseFault): number => STATUS[error.clickhouseCode] ?? 500;
