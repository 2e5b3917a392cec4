import type { CertificateDetail, NodeDetail } from "../cluster/local_nodes.ts";
import { describeSkew, type Fact, moment } from "./describe.ts";
import { formatFacts } from "./output.ts";

/** All that is known of a node, in groups; its chains are in the JSON only. */
export function nodeFacts(node: NodeDetail, now: number): string[] {
  const { certificate, pending, previous } = node;
  return [
    ...formatFacts(state(node, now)),
    ...group("admission", admission(node, now)),
    ...group("trust", trust(node, now)),
    ...group("certificate", certificateFacts(certificate, now)),
    ...(pending ? group("pending", certificateFacts(pending, now)) : []),
    ...(previous
      ? group("previous", [
        ["accepted until", moment(previous.until, now)],
        ...certificateFacts(previous, now),
      ])
      : []),
  ];
}

function group(title: string, facts: readonly Fact[]): string[] {
  return ["", title, ...formatFacts(facts).map((line) => `  ${line}`)];
}

function state(node: NodeDetail, now: number): Fact[] {
  const { status, lastSeen, downSince, clockSkewMs, problem, conflict } = node;
  const since = conflict?.since ?? downSince;
  return [
    ["id", node.id],
    ["hostname", node.hostname || "-"],
    ["role", node.role],
    [
      "status",
      since === undefined ? status : `${status} since ${moment(since, now)}`,
    ],
    ...(conflict
      ? [["used from", conflict.addresses.join(" and ")] as const]
      : []),
    ...(problem === undefined
      ? []
      : [["problem", `renewal failing: ${problem}`] as const]),
    ["address", node.address || "-"],
    ["platform", `${node.os} ${node.arch}`.trim() || "-"],
    ["version", node.version || "-"],
    [
      "last seen",
      lastSeen === null ? notSeen(node) : moment(lastSeen, now),
    ],
    ...(clockSkewMs === undefined
      ? []
      : [["clock", describeSkew(clockSkewMs)] as const]),
  ];
}

function notSeen({ firstSeen }: NodeDetail): string {
  return firstSeen === undefined ? "never" : "not since the manager started";
}

function admission(node: NodeDetail, now: number): Fact[] {
  const { admitted: { token, approved }, firstSeen, recoveries } = node;
  const how = token === undefined
    ? "as the cluster was made"
    : `by token ${token}${approved ? ", and accepted by an operator" : ""}`;
  const last = recoveries.at(-1);
  return [
    ["state", node.admission],
    ["let in", how],
    ["created", moment(node.createdAt, now)],
    [
      "first seen",
      firstSeen === undefined ? "never" : moment(firstSeen, now),
    ],
    [
      "recoveries",
      last === undefined
        ? "none"
        : `${recoveries.length}, the last ${moment(last, now)}`,
    ],
  ];
}

function trust({ trustRoot, trusts, auditHead }: NodeDetail, now: number) {
  const facts: Fact[] = [
    ["root", trustRoot || "-"],
    ["bundle", trusts ?? "not said, or none of this cluster's"],
  ];
  if (auditHead) {
    const { sequence, at } = auditHead;
    facts.push(["audit log", `up to ${sequence}, of ${moment(at, now)}`]);
  }
  return facts;
}

function certificateFacts(each: CertificateDetail, now: number): Fact[] {
  if (each.serial === "") return [["serial", "-"]];
  const { chain } = each;
  return [
    ["serial", each.serial],
    ["role", each.role],
    ["issuer", each.issuer],
    ["issuer key", each.issuerKeyId],
    ["issued", moment(each.issuedAt, now)],
    ["not before", moment(each.notBefore, now)],
    ["not after", moment(each.notAfter, now)],
    ["fingerprint", each.fingerprint256],
    ["key", each.keyFingerprint256],
    ...(chain ? [["chain", `${chain.length - 1} sent after it`] as const] : []),
  ];
}
