import { assert, assertEquals } from "@std/assert";

const ROOT = new URL("../../", import.meta.url);

/** Every Markdown file that a user reads. */
async function documents(): Promise<string[]> {
  const found: string[] = [];
  for (const folder of ["", "docs/"]) {
    for await (const { name } of Deno.readDir(new URL(folder, ROOT))) {
      if (name.endsWith(".md")) found.push(`${folder}${name}`);
    }
  }
  return found;
}

async function read(path: string): Promise<string> {
  return await Deno.readTextFile(new URL(path, ROOT));
}

/** Without blocks of code, in which `#` begins no heading. */
function prose(text: string): string {
  return text.replaceAll(/^ *```[\s\S]*?^ *```/gm, "");
}

/** What a heading is called in a link, as the common hosts have it. */
function anchorOf(heading: string): string {
  return heading.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");
}

Deno.test("links of documents lead to a file and a heading that are there", async () => {
  let seen = 0;
  for (const path of await documents()) {
    const links = prose(await read(path)).matchAll(/\]\(([^)\s]+)\)/g);
    for (const [, link = ""] of links) {
      if (/^https?:/.test(link)) continue;
      seen++;
      const [file = "", anchor] = link.split("#");
      const target = file === ""
        ? path
        : new URL(file, new URL(path, ROOT)).href.slice(ROOT.href.length);
      const text = await read(target);
      if (anchor === undefined) continue;
      const headings = prose(text).matchAll(/^#+ (.+)$/gm);
      const anchors = [...headings].map(([, title = ""]) => anchorOf(title));
      assert(anchors.includes(anchor), `${path}: ${link}`);
    }
  }
  assert(seen > 40, String(seen));
});

/** Every text of the program, on one line. */
async function sources(folder: string): Promise<string> {
  const texts: string[] = [];
  for await (const entry of Deno.readDir(new URL(folder, ROOT))) {
    const path = `${folder}${entry.name}`;
    if (entry.isDirectory) texts.push(await sources(`${path}/`));
    else if (path.endsWith(".ts")) texts.push(await read(path));
  }
  return texts.join("\n");
}

/** First cells of the table whose first header cell this is. */
function firstCells(text: string, header: string): string[] {
  const lines = text.split("\n").map((line) => line.trim());
  const begin = lines.findIndex((line) => cell(line) === header);
  const rows = lines.slice(begin + 2);
  const end = rows.findIndex((line) => !line.startsWith("|"));
  return rows.slice(0, end).map(cell);
}

function cell(line: string): string {
  return line.startsWith("|") ? line.split("|")[1]?.trim() ?? "" : "";
}

Deno.test("docs/operating.md quotes alarms and stragglers' reasons as the program says them", async () => {
  const operating = await read("docs/operating.md");
  const said = await sources("lib/");
  const alarms = firstCells(operating, "`ALARM` in `status` begins with");
  const reasons = firstCells(operating, "reason");
  assertEquals([alarms.length > 5, reasons.length > 5], [true, true]);
  for (const quoted of [...alarms, ...reasons]) {
    const parts = quoted.replace(/ \(worker\)$/, "").split("…");
    for (const part of parts.map((each) => each.trim())) {
      assert(said.includes(part), `${quoted}: nothing says "${part}"`);
    }
  }
});
