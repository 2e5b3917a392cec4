type Node = Deno.lint.Node;
type Context = Deno.lint.RuleContext;

/** Where an identifier is a name in itself and refers to nothing. */
const NAMING_PARENTS: ReadonlySet<string> = new Set([
  "BreakStatement",
  "ContinueStatement",
  "ExportSpecifier",
  "ImportSpecifier",
  "LabeledStatement",
  "TSQualifiedName",
  "TSTypeQuery",
]);
const KEYED_PARENTS: ReadonlySet<string> = new Set([
  "MethodDefinition",
  "Property",
  "PropertyDefinition",
  "TSMethodSignature",
  "TSPropertySignature",
]);

/** Whether an identifier refers to a name that the file declares nowhere. */
export function isGlobal(
  node: Deno.lint.Identifier,
  context: Context,
): boolean {
  if (!isReference(node)) return false;
  return !context.sourceCode.getAncestors(node).some((scope) =>
    declaredBy(scope).includes(node.name)
  );
}

function isReference(node: Deno.lint.Identifier): boolean {
  const parent: Node | undefined = node.parent;
  if (!parent || NAMING_PARENTS.has(parent.type)) return false;
  if (parent.type === "MemberExpression") {
    return parent.computed || parent.object === node;
  }
  if (!KEYED_PARENTS.has(parent.type) || !("key" in parent)) return true;
  return parent.key !== node || ("computed" in parent && parent.computed);
}

/** The names that a node declares for what is inside it. */
function declaredBy(scope: Node): string[] {
  switch (scope.type) {
    case "Program":
    case "BlockStatement":
    case "StaticBlock":
      return scope.body.flatMap(declaredByStatement);
    case "ForStatement":
      return scope.init ? declaredByStatement(scope.init) : [];
    case "ForInStatement":
    case "ForOfStatement":
      return declaredByStatement(scope.left);
    case "CatchClause":
      return scope.param ? namesIn(scope.param) : [];
    case "ArrowFunctionExpression":
    case "FunctionDeclaration":
    case "FunctionExpression":
    case "TSFunctionType":
    case "TSMethodSignature":
      return scope.params.flatMap(namesIn);
    default:
      return [];
  }
}

function declaredByStatement(statement: Node): string[] {
  switch (statement.type) {
    case "ExportNamedDeclaration":
      return statement.declaration
        ? declaredByStatement(statement.declaration)
        : [];
    case "ImportDeclaration":
      return statement.specifiers.map((specifier) => specifier.local.name);
    case "VariableDeclaration":
      return statement.declarations.flatMap(({ id }) => namesIn(id));
    case "ClassDeclaration":
    case "FunctionDeclaration":
      return statement.id ? [statement.id.name] : [];
    default:
      return [];
  }
}

function namesIn(pattern: Node | Deno.lint.Parameter | null): string[] {
  switch (pattern?.type) {
    case "Identifier":
      return [pattern.name];
    case "ArrayPattern":
      return pattern.elements.flatMap(namesIn);
    case "AssignmentPattern":
      return namesIn(pattern.left);
    case "ObjectPattern":
      return pattern.properties.flatMap((property) =>
        namesIn(property.type === "Property" ? property.value : property)
      );
    case "RestElement":
      return namesIn(pattern.argument);
    default:
      return [];
  }
}
