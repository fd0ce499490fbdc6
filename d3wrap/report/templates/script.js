"use strict";
(() => {
  for (const controls of document.querySelectorAll(".controls")) controls.hidden = false;

  // Arms: one class on the body hides whatever belongs to an arm.
  for (const box of document.querySelectorAll("[data-arm]")) {
    const apply = () => document.body.classList.toggle("hide-" + box.dataset.arm, !box.checked);
    box.addEventListener("change", apply);
    apply();
  }

  // Several comparisons: each choice leaves those with its value.
  const filters = [...document.querySelectorAll("[data-filter]")];
  const filtered = [...document.querySelectorAll("[data-values]")].map((one) => [one, JSON.parse(one.dataset.values)]);
  const filter = () => {
    for (const [one, values] of filtered)
      one.hidden = filters.some((select) => select.value !== "" && values[select.dataset.filter] !== select.value);
    const articles = filtered.filter(([one]) => one.localName === "article");
    document.getElementById("shown").textContent =
      articles.filter(([one]) => !one.hidden).length + " of " + articles.length + " shown";
  };
  for (const select of filters) select.addEventListener("change", filter);
  if (filters.length) filter();

  // Theme: follows the system until the button is pressed.
  const button = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (document.documentElement.dataset.theme || (system.matches ? "dark" : "light")) === "dark";
  const show = () => button.setAttribute("aria-pressed", String(dark()));
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = dark() ? "light" : "dark";
    show();
  });
  system.addEventListener("change", show);
  show();

  // Tables: first press ascending, second descending; cells without a value stay last.
  const value = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.value === undefined ? cell.textContent.trim() : cell.dataset.value;
  };
  const compare = (a, b, numeric) => (numeric ? Number(a) - Number(b) : a.localeCompare(b, "en", { numeric: true }));
  for (const pressed of document.querySelectorAll("button.sort")) {
    pressed.addEventListener("click", () => {
      const heading = pressed.closest("th");
      const table = heading.closest("table");
      const descending = heading.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const numeric = heading.classList.contains("number");
      const rows = [...table.tBodies[0].rows];
      rows.sort((one, other) => {
        const a = value(one, heading.cellIndex), b = value(other, heading.cellIndex);
        if (a === "" || b === "") return (a === "") - (b === "");
        return descending ? compare(b, a, numeric) : compare(a, b, numeric);
      });
      table.tBodies[0].append(...rows);
    });
  }
})();
