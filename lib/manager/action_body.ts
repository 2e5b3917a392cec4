import * as z from "zod/mini";
import { SwarmdError } from "../base/errors.ts";

/**
 * What an operator sent, as its schema promises.
 *
 * @throws {SwarmdError} `usage`, naming the field, never its value
 */
export function readBody<T extends z.ZodMiniType>(
  type: T,
  body: unknown,
): z.infer<T> {
  const parsed = z.safeParse(type, body);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const field = issue?.path.join(".") || "the whole";
  throw new SwarmdError(
    "usage",
    `Cannot read the request: ${field} is not as it should be`,
    { hint: "Is the command of the same version? Compare `swarmd version`" },
  );
}
