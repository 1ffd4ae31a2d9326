/**
 * What a reader may ask, judged on ClickHouse's own reading of the query.
 *
 * The engine's readonly=1 refuses writes and table functions, but not INTO OUTFILE and not the scalar file(). The text is first
 * put through the engine's formatQuerySingleLine, so comments, escapes and quoting cannot hide a name from this check.
 */

const BEGINNINGS = new Set(['select', 'with', 'show', 'describe', 'desc', 'explain', 'exists']);
const DENIED =
  /^(file|filecluster|catboostevaluate|executable|python|url|urlcluster|input|s3.*|gcs.*|oss.*|cosn.*|hdfs.*|remote.*|cluster.*|mysql|postgresql|mongodb|redis|sqlite|odbc|jdbc|azure.*|iceberg.*|deltalake.*|hudi.*|paimon.*|ytsaurus|arrowflight.*)$/;

type Token = { readonly kind: 'word' | 'quoted' | 'text' | 'sign'; readonly text: string };

/** Null when a reader may run it, else why not. @param canonical as formatQuerySingleLine prints it: no comments */
export const refusalForReaders = (canonical: string): string | null => {
  const tokens = tokensOf(canonical);
  const first = tokens.find((token) => token.text !== '(')?.text.toLowerCase() ?? '';
  if (!BEGINNINGS.has(first)) return `this user may only read (the query begins with ${first.toUpperCase() || 'nothing'})`;
  for (const [i, token] of tokens.entries()) {
    const next = tokens[i + 1];
    if (token.kind === 'word' && /^into$/i.test(token.text) && next?.kind === 'word' && /^outfile$/i.test(next.text)) {
      return 'INTO OUTFILE is not for readers';
    }
    if ((token.kind === 'word' || token.kind === 'quoted') && next?.text === '(' && DENIED.test(token.text.toLowerCase())) {
      return `${token.text}() is not for readers`;
    }
  }
  return null;
};

/** The names of {name:Type} placeholders. */
export const parametersOf = (canonical: string): readonly string[] => {
  const tokens = tokensOf(canonical);
  return tokens.flatMap((token, i) => (token.text === '{' && tokens[i + 2]?.text === ':' ? [tokens[i + 1]!.text] : []));
};

const tokensOf = (sql: string): readonly Token[] => {
  const tokens: Token[] = [];
  for (let i = 0; i < sql.length;) {
    const char = sql[i]!;
    if (char === "'" || char === '`' || char === '"') {
      let text = '';
      for (i++; i < sql.length && sql[i] !== char; i++) {
        if (sql[i] === '\\') i++;
        text += sql[i] ?? '';
      }
      i++;
      tokens.push({ kind: char === "'" ? 'text' : 'quoted', text });
      continue;
    }
    const word = /[\w$\u0080-\uffff]+/y;
    word.lastIndex = i;
    const found = word.exec(sql)?.[0];
    if (found !== undefined) tokens.push({ kind: 'word', text: found });
    else if (!/\s/.test(char)) tokens.push({ kind: 'sign', text: char });
    i += found?.length ?? 1;
  }
  return tokens;
};
