import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { formatEndpoint, parseEndpoint } from "../../lib/rpc/endpoint.ts";

Deno.test("parseEndpoint() reads names, IPv4 and IPv6 with a port", () => {
  const cases = [
    ["example.com:2377", "example.com", 2377],
    ["10.0.0.5:1", "10.0.0.5", 1],
    ["[::1]:65535", "::1", 65_535],
    ["[fe80::1:2]:2377", "fe80::1:2", 2377],
    ["[::ffff:10.0.0.5]:80", "::ffff:10.0.0.5", 80],
    ["localhost:0", "localhost", 0],
  ] as const;
  for (const [text, host, port] of cases) {
    assertEquals(parseEndpoint(text), { host, port }, text);
  }
});

Deno.test("parseEndpoint() reads nothing else", () => {
  const texts = [
    "",
    "host",
    "host:",
    ":2377",
    "host:65536",
    "host:123456",
    "host:-1",
    "host:1.5",
    "host:0x10",
    "host: 2377",
    "host:2377 ",
    " host:2377",
    "ho st:1",
    "::1:2377",
    "[::1]",
    "[::1]2377",
    "[host]:1",
    "[]:1",
    "http://host:80",
    "host/x:80",
    "a:b:80",
    "host:80\n",
  ];
  for (const text of texts) assertEquals(parseEndpoint(text), undefined, text);
});

Deno.test("parseEndpoint() reads what formatEndpoint() writes", () => {
  const host = fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain());
  const port = fc.integer({ min: 0, max: 65_535 });
  fc.assert(fc.property(host, port, (host, port) => {
    const endpoint = { host, port };
    assertEquals(parseEndpoint(formatEndpoint(endpoint)), endpoint);
  }));
});

Deno.test("parseEndpoint() never throws", () => {
  const anyText = fc.array(fc.integer({ min: 0, max: 0xffff }))
    .map((units) => String.fromCharCode(...units));
  fc.assert(fc.property(fc.oneof(anyText, fc.string()), (text) => {
    const endpoint = parseEndpoint(text);
    if (endpoint) assertEquals(endpoint.port <= 65_535, true);
  }));
});
