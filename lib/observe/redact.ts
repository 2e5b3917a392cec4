const SECRET_REGEXP = /(SWM(?:TKN|KEY)-\d+-)[A-Za-z0-9+/=_-]+/gi;

/**
 * Takes join tokens and unlock keys out of a text, whole or cut short. The last
 * line of defence: nobody should have put one there.
 */
export function redact(text: string): string {
  return text.replace(SECRET_REGEXP, "$1[redacted]");
}
