/** A cell as text: what a CSV file would have in its place. */
export const textOfCell = (cell: unknown): string => {
  switch (typeof cell) {
    case 'string':
      return cell;
    case 'number':
    case 'bigint':
    case 'boolean':
      return `${cell}`;
    default:
      return cell === null || cell === undefined ? '' : (JSON.stringify(cell) ?? '');
  }
};
