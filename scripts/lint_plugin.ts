import { isGlobal } from "./lint_scope.ts";
import { importProblem, PURE_ROOMS, roomOf } from "./rooms.ts";

const ROOT = new URL("..", import.meta.url);
const MAX_LINES = 60;
const MAX_POSITIONAL = 2;

/** What a pure room gets as an argument instead. */
const AMBIENT: ReadonlySet<string> = new Set([
  "Deno",
  "Worker",
  "WebSocket",
  "clearInterval",
  "clearTimeout",
  "console",
  "crypto",
  "fetch",
  "globalThis",
  "navigator",
  "performance",
  "process",
  "setImmediate",
  "setInterval",
  "setTimeout",
]);
const AMBIENT_MEMBERS: ReadonlySet<string> = new Set([
  "AbortSignal.timeout",
  "Date.now",
  "Math.random",
]);
const PRIMITIVE_TYPES: ReadonlySet<string> = new Set([
  "TSArrayType",
  "TSBigIntKeyword",
  "TSBooleanKeyword",
  "TSFunctionType",
  "TSLiteralType",
  "TSNumberKeyword",
  "TSStringKeyword",
  "TSTupleType",
]);

type Context = Deno.lint.RuleContext;
type Node = Deno.lint.Node;
type AnyFunction =
  | Deno.lint.ArrowFunctionExpression
  | Deno.lint.FunctionDeclaration
  | Deno.lint.FunctionExpression;

/** Imports point down. */
const layers: Deno.lint.Rule = {
  create(context) {
    const check = (node: Node, source: string) => {
      const target = roomOfImport(source, context.filename);
      if (target === undefined) return;
      const problem = importProblem(roomOf(pathOf(context)), target);
      if (problem) context.report({ node, message: sentence(problem) });
    };
    return {
      ImportDeclaration: (node) => check(node, node.source.value),
      ExportNamedDeclaration(node) {
        if (node.source) check(node, node.source.value);
      },
      ExportAllDeclaration: (node) => check(node, node.source.value),
      ImportExpression(node) {
        const { source } = node;
        if (source.type === "Literal" && typeof source.value === "string") {
          check(node, source.value);
        }
      },
    };
  },
};

/** Time, randomness, disk, network and output are arguments. */
const pure: Deno.lint.Rule = {
  create(context) {
    if (!PURE_ROOMS.includes(roomOf(pathOf(context)))) return {};
    const report = (node: Node, name: string) =>
      context.report({
        node,
        message: `${name} is ambient: this room takes it as an argument`,
      });
    return {
      Identifier(node) {
        if (AMBIENT.has(node.name) && isGlobal(node, context)) {
          report(node, node.name);
        }
      },
      MemberExpression(node) {
        const name = memberName(node);
        if (AMBIENT_MEMBERS.has(name)) report(node, name);
      },
      NewExpression(node) {
        if (isNamed(node.callee, "Date") && node.arguments.length === 0) {
          report(node, "new Date()");
        }
      },
      CallExpression(node) {
        if (isNamed(node.callee, "Date")) report(node, "Date()");
      },
      ImportDeclaration(node) {
        if (node.source.value.startsWith("node:")) {
          report(node, node.source.value);
        }
      },
    };
  },
};

/** An exit from a helper skips `finally`, disposal and the exit code's table. */
const noExit: Deno.lint.Rule = {
  create(context) {
    const path = pathOf(context);
    if (path === "main.ts" || path.startsWith("tests/")) return {};
    return {
      MemberExpression(node) {
        if (["Deno.exit", "process.exit"].includes(memberName(node))) {
          context.report({ node, message: "Only main.ts ends the process" });
        }
      },
    };
  },
};

const functionLength: Deno.lint.Rule = {
  create(context) {
    const check = (node: AnyFunction) => {
      const lines = context.sourceCode.getText(node).split("\n").length;
      if (lines <= MAX_LINES) return;
      context.report({
        node,
        message: `Function has ${lines} lines, at most ${MAX_LINES} are wanted`,
        hint: "Give its steps names",
      });
    };
    return {
      ArrowFunctionExpression: check,
      FunctionDeclaration: check,
      FunctionExpression: check,
    };
  },
};

/** Callbacks are exempt: who calls them decides what they are given. */
const fewParameters: Deno.lint.Rule = {
  create(context) {
    if (pathOf(context).startsWith("lib/std/")) return {};
    const check = (node: Node, parameters: readonly Deno.lint.Parameter[]) => {
      const third = parameters[MAX_POSITIONAL];
      if (!third) return;
      if (parameters.length === MAX_POSITIONAL + 1 && isObjectTyped(third)) {
        return;
      }
      context.report({
        node,
        message:
          `Want at most ${MAX_POSITIONAL} positional parameters and then an options object`,
      });
    };
    return {
      FunctionDeclaration: (node) => check(node, node.params),
      MethodDefinition: (node) => check(node, node.value.params),
      TSMethodSignature: (node) => check(node, node.params),
      VariableDeclarator(node) {
        const { init } = node;
        if (
          init?.type === "ArrowFunctionExpression" ||
          init?.type === "FunctionExpression"
        ) check(node, init.params);
      },
    };
  },
};

const privateFields: Deno.lint.Rule = {
  create(context) {
    const check = (
      node: Deno.lint.PropertyDefinition | Deno.lint.MethodDefinition,
    ) => {
      if (node.accessibility !== "private") return;
      context.report({ node, message: "Want #name instead of private name" });
    };
    return { MethodDefinition: check, PropertyDefinition: check };
  },
};

const plugin: Deno.lint.Plugin = {
  name: "swarmd",
  rules: {
    layers,
    pure,
    "no-exit": noExit,
    "function-length": functionLength,
    "few-parameters": fewParameters,
    "private-fields": privateFields,
  },
};
export default plugin;

/** The file's path inside the project. */
function pathOf(context: Context): string {
  const { pathname } = new URL(context.filename, ROOT);
  return pathname.startsWith(ROOT.pathname)
    ? pathname.slice(ROOT.pathname.length)
    : pathname;
}

function roomOfImport(source: string, importer: string): string | undefined {
  const linked = /^@std\/(\w+)/.exec(source)?.[1];
  if (linked) return `std/${linked}`;
  if (!source.startsWith(".")) return undefined;
  const { pathname } = new URL(source, new URL(importer, ROOT));
  return roomOf(pathname.slice(ROOT.pathname.length));
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function isNamed(node: Node, name: string): boolean {
  return node.type === "Identifier" && node.name === name;
}

/** `a.b` for a member of a plain name, else nothing. */
function memberName(node: Deno.lint.MemberExpression): string {
  const { object, property } = node;
  if (object.type !== "Identifier") return "";
  if (property.type === "Identifier") return `${object.name}.${property.name}`;
  return property.type === "Literal" ? `${object.name}.${property.value}` : "";
}

function isObjectTyped(parameter: Deno.lint.Parameter): boolean {
  if (parameter.type === "ObjectPattern" || parameter.type === "RestElement") {
    return true;
  }
  const target = parameter.type === "AssignmentPattern"
    ? parameter.left
    : parameter;
  if (target.type !== "Identifier") return target.type === "ObjectPattern";
  const type = target.typeAnnotation?.typeAnnotation;
  return type !== undefined && !PRIMITIVE_TYPES.has(type.type);
}
