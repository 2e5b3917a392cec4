import type { Argument, Command, Option } from "./command.ts";
import { oneOf } from "./values.ts";

/** How a command is written, without `swarmd`. */
export function synopsis(command: Command): string {
  const words = Object.values(command.arguments).map(argumentForm);
  const options = Object.keys(command.options).length > 0 ? ["[OPTIONS]"] : [];
  return [command.path, ...options, ...words].join(" ");
}

/** How an option is written. */
export function optionForm(name: string, option: Option<unknown>): string {
  const short = option.short === undefined ? "" : `-${option.short}, `;
  const value = option.value ? ` ${option.value.placeholder}` : "";
  return `${short}--${name}${value}`;
}

/** What an option does, with its choices, default and number. */
export function optionText(option: Option<unknown>): string {
  const notes = [];
  if (option.value?.choices) notes.push(oneOf(option.value.choices));
  if (option.repeatable) notes.push("may be repeated");
  if (option.defaultText !== undefined) {
    notes.push(`default: ${option.defaultText}`);
  }
  return notes.length === 0
    ? option.help
    : `${option.help} (${notes.join("; ")})`;
}

/** How an argument is written. */
export function argumentForm(argument: Argument<unknown>): string {
  const { placeholder, choices } = argument.value;
  const name = choices ? choices.join("|") : placeholder;
  const form = argument.repeatable ? `${name}...` : name;
  return argument.optional ? `[${form}]` : form;
}
