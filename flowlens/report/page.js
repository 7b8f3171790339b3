"use strict";
(() => {
  const doc = document;
  const all = (query, root = doc) => [...root.querySelectorAll(query)];
  const make = (tag, name, text) => {
    const node = doc.createElement(tag);
    if (name) node.className = name;
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const count = (n) => n.toLocaleString("en-US");
  const size = (bytes) => {
    if (bytes < 1000) return bytes + " B";
    const digits = (n) => (n < 99.95 ? Math.round(n * 10) / 10 : Math.round(n));
    let n = bytes / 1000, unit = 0;
    while (digits(n) >= 1000 && unit < 5) { n /= 1000; unit++; }
    return digits(n) + " " + ["kB", "MB", "GB", "TB", "PB", "EB"][unit];
  };
  const one = (query, root = doc) => root.querySelector(query);
  const copy = async (text, button) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = doc.body.appendChild(make("textarea"));
      area.value = text;
      area.select();
      doc.execCommand("copy");
      area.remove();
    }
    const label = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = label; }, 1200);
  };
  const save = (text, name) => {
    const link = make("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    link.download = name;
    link.click();
    URL.revokeObjectURL(link.href);
  };
  const plain = (...where) => (one(...where)?.textContent || "").replace(/\s+/g, " ").trim();
  const marked = (...where) => plain(...where).replace(/[\\`*_[\]<>|@#]/g, "\\$&");

  // Tables: rows in the page first, the packed rest behind them.
  const PAGE = 200;
  const table = async (box) => {
    const grid = one(".grid", box), body = grid.tBodies[0];
    const heads = all("th", grid), kinds = heads.map((th) => th.dataset.k);
    const tools = one(".tools", box), input = one("input", tools);
    const told = one("output", tools), more = one(".more", box);
    const top = Math.log10(1 + Number(grid.dataset.top));
    const state = kinds.indexOf("state");
    const text = (v) => v.join(" ").toLowerCase();
    const value = (td, kind) => kind === "int" ? Number(td.textContent.replace(/,/g, ""))
      : td.dataset.v ? Number(td.dataset.v) : td.textContent;
    const rows = [...body.rows].map((tr) => {
      const v = [...tr.cells].map((td, n) => value(td, kinds[n]));
      return { tr, v, t: text(v) };
    });
    const build = (row) => {
      const tr = make("tr", state < 0 ? "" : row.v[state]);
      row.v.forEach((v, n) => {
        const kind = kinds[n];
        const bar = kind === "bytes" && v ? Math.round(10 * Math.log10(1 + v) / top) : 0;
        const name = { bytes: "n w" + bar, size: "n", int: "n", mono: "m", code: "c", time: "t", state: "s " + v }[kind];
        tr.append(make("td", name, name?.[0] !== "n" ? v : kind === "int" ? count(v) : size(v)));
      });
      return (row.tr = tr);
    };
    let found = rows, shown = PAGE, order = null;
    const draw = () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      found = rows.filter((row) => words.every((word) =>
        word[0] === "-" && word.length > 1 ? !row.t.includes(word.slice(1)) : row.t.includes(word)));
      if (order) {
        const { n, sign } = order;
        found.sort((a, b) => sign * (typeof a.v[n] === "number" ? a.v[n] - b.v[n]
          : a.v[n].localeCompare(b.v[n], "en", { numeric: true })));
      }
      body.replaceChildren(...found.slice(0, shown).map((row) => row.tr || build(row)));
      told.textContent = `${count(found.length)} of ${count(rows.length)} rows`;
      more.replaceChildren();
      if (found.length > shown) {
        const button = make("button", "", "Show more");
        button.onclick = () => { shown += 1000; draw(); };
        more.append(button);
      }
      if (more.dataset.note) more.append(" " + more.dataset.note);
    };
    heads.forEach((th, n) => {
      const button = make("button", "", th.textContent);
      th.replaceChildren(button);
      button.onclick = () => {
        const down = th.ariaSort ? th.ariaSort === "ascending" : th.className === "n";
        heads.forEach((other) => { other.removeAttribute("aria-sort"); });
        th.setAttribute("aria-sort", down ? "descending" : "ascending");
        order = { n, sign: down ? -1 : 1 };
        draw();
      };
    });
    input.oninput = () => { shown = PAGE; draw(); };
    one("button", tools).onclick = () => {
      const cell = (v) => {
        const s = typeof v === "string" && /^[=+\-@\t\r]/.test(v) ? "'" + v : String(v);
        return /[",\n\r]/.test(s) ? '"' + s.replace(/"/g, '""') + '"' : s;
      };
      const lines = [heads.map((th) => th.textContent), ...found.map((row) => row.v)];
      save(lines.map((line) => line.map(cell).join(",")).join("\r\n") + "\r\n", box.id + ".csv");
    };
    tools.hidden = false;
    const packed = one("script", box);
    if (packed && window.DecompressionStream) {
      const bytes = Uint8Array.from(atob(packed.textContent), (c) => c.charCodeAt(0));
      const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
      for (const v of JSON.parse(await new Response(stream).text())) rows.push({ tr: null, v, t: text(v) });
    }
    draw();
  };
  all(".rows").forEach(table);

  // Buttons that only work with a script are hidden without one.
  all("button[hidden]").forEach((button) => { button.hidden = false; });
  doc.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-do]");
    if (!button) return;
    const card = button.closest(".card"), root = doc.documentElement;
    const told = (each) => `${marked(".told", each)}\n\n    ${plain("pre", each)}`;
    const jobs = {
      theme: () => {
        const now = root.dataset.theme || (matchMedia("(prefers-color-scheme:dark)").matches && "dark");
        root.dataset.theme = now === "dark" ? "light" : "dark";
      },
      print: () => print(),
      run: () => copy(plain("code", button.parentNode), button),
      command: () => copy(plain("pre", card), button),
      ticket: () => copy(`${plain(".tag", card).toUpperCase()}: ${told(card)}\n\n${card.id}\n`, button),
      markdown: () => copy(["# " + marked("h1"), marked(".scope"), marked(".lead"), marked(".sure"),
        ...all(".card").slice(0, 50).map((each) =>
          `## ${plain(".tag", each)}: ${marked("h3", each)}\n\n${told(each)}`),
      ].join("\n\n") + "\n", button),
    };
    jobs[button.dataset.do]();
  });
  doc.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.closest("input,textarea")) return;
    event.preventDefault();
    const inputs = all(".tools input");
    (inputs.find((input) => input.getBoundingClientRect().top > 0) || inputs[0]).focus();
  });
})();
