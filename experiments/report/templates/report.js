"use strict";

// A click on a header sorts its table, a second one the other way; what has no value stays at the end.
function sortBy(header) {
  const ascending = header.getAttribute("aria-sort") !== "ascending";
  const table = header.closest("table");
  const column = header.cellIndex;
  for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
  header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  const numeric = header.classList.contains("number");
  const key = (row) => {
    const text = row.cells[column].dataset.sort ?? row.cells[column].textContent.trim();
    return numeric ? parseFloat(text) : text;
  };
  const missing = (value) => (numeric ? Number.isNaN(value) : value === "");
  const compare = (one, two) => {
    const [a, b] = [key(one), key(two)];
    if (missing(a) || missing(b)) return missing(a) - missing(b);
    const order = numeric ? a - b : a.localeCompare(b, "en", { numeric: true });
    return ascending ? order : -order;
  };
  const body = table.tBodies[0];
  body.append(...[...body.rows].sort(compare));
}

for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => sortBy(button.closest("th")));
}

// Copies the commands; where the clipboard is closed to the page they are selected, ready to be copied by hand.
for (const button of document.querySelectorAll("button.copy")) {
  button.addEventListener("click", async () => {
    const commands = document.getElementById(button.dataset.of);
    getSelection().selectAllChildren(commands);
    try {
      await navigator.clipboard.writeText(commands.textContent);
      button.textContent = "copied";
    } catch {
      button.textContent = "selected: press Ctrl+C";
    }
  });
}
