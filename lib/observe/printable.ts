/** Controls, invisible format characters (such as those that reverse the order of text) and line separators. */
const UNPRINTABLE_REGEXP = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/**
 * Shows control characters as `\u001b`. Host names and texts come from other
 * machines: they must not move the cursor, hide a line or start a new one.
 */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE_REGEXP, escapeUnits);
}

function escapeUnits(character: string): string {
  let escaped = "";
  for (let i = 0; i < character.length; i++) {
    const unit = character.charCodeAt(i).toString(16).padStart(4, "0");
    escaped += `\\u${unit}`;
  }
  return escaped;
}
