"use strict";
// Sorting by a click on the head of a column: numbers as numbers, what is missing last.
(() => {
  const table = document.getElementById("nights"), body = table.tBodies[0];
  const value = (row, place) => row.cells[place].dataset.value ?? "";
  table.tHead.addEventListener("click", (event) => {
    const head = event.target.closest("th");
    if (!head || !head.querySelector("button")) return;
    const place = head.cellIndex, down = head.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const numeric = head.classList.contains("number");
    const rows = [...body.rows].sort((one, other) => {
      const [a, b] = [value(one, place), value(other, place)];
      if (a === "" || b === "") return (a === "") - (b === "");
      const order = numeric ? Number(a) - Number(b) : a.localeCompare(b, "en", { numeric: true });
      return down ? -order : order;
    });
    body.append(...rows);
  });
})();
