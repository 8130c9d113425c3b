/** Nothing but decimal digits, at least one and at most `most`. No pattern: each is compiled anew by every action. */
export function isDigits(text: string, most = Number.POSITIVE_INFINITY): boolean {
  if (text === '' || text.length > most) return false;
  for (const char of text) if (char < '0' || char > '9') return false;
  return true;
}
