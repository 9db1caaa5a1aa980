// Elements without markup in strings: every text from the pool becomes a text node.

/** An element. `attributes` may have functions for events such as `onclick`. */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** An element of a drawing. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") {
      element.addEventListener(name.slice(2), value);
    } else if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

/** Sets a text only when it differs, so that screen readers and selections stay where they are. */
export function setText(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

/** Sets or removes an attribute. */
export function setAttribute(element, name, value) {
  if (value === null || value === undefined) {
    element.removeAttribute(name);
  } else if (element.getAttribute(name) !== String(value)) {
    element.setAttribute(name, value);
  }
}

/** Replaces what an element has when `key` differs from that of the last time. */
export function replaceWhen(element, key, create) {
  if (element.dataset.key !== key) {
    element.dataset.key = key;
    element.replaceChildren(...[create()].flat());
  }
}

const views = new WeakMap();

/**
 * Makes the children of `parent` those of `items`, in order, and keeps the elements of items that
 * stay. `create()` returns a view: `element` and `update(item)`. What is added to a list that was
 * there before is shown as new.
 */
export function keyed(parent, items, key, create) {
  const old = views.get(parent) ?? new Map();
  const kept = new Map();
  let at = parent.firstElementChild;
  for (const item of items) {
    const id = key(item);
    let view = old.get(id);
    if (view === undefined) {
      view = create(item);
      if (views.has(parent)) {
        showAsNew(view.element);
      }
    }
    view.update(item);
    kept.set(id, view);
    if (view.element === at) {
      at = at.nextElementSibling;
    } else {
      parent.insertBefore(view.element, at);
    }
  }
  for (const [id, view] of old) {
    if (!kept.has(id)) {
      view.element.remove();
    }
  }
  views.set(parent, kept);
}

function showAsNew(element) {
  element.classList.add("new");
  setTimeout(() => element.classList.remove("new"), 3000);
}

/** A table with its caption and head; the roles keep it a table where the style makes rows cards. */
export function table(caption, columns, style = "") {
  const body = h("tbody", { role: "rowgroup" });
  const element = h(
    "table",
    { class: style, role: "table" },
    h("caption", { class: "visually-hidden" }, caption),
    h(
      "thead",
      { role: "rowgroup" },
      h(
        "tr",
        { role: "row" },
        columns.map((column) =>
          column.text === ""
            ? h("td", { role: "cell" })
            : h("th", { scope: "col", role: "columnheader", class: column.style, title: column.title }, column.text),
        ),
      ),
    ),
    body,
  );
  return { element, body };
}

/** A row of a table: the first cell is its head. */
export function row(columns, cells) {
  return h(
    "tr",
    { role: "row" },
    cells.map((cell, i) =>
      i === 0
        ? h("th", { scope: "row", role: "rowheader" }, cell)
        : h("td", { role: "cell", class: columns[i].style, "data-label": columns[i].text }, cell),
    ),
  );
}

/** A wide table's frame: it scrolls by itself, also by keyboard. */
export function scroll(label, content) {
  return h("div", { class: "card" }, h("div", { class: "scroll", role: "region", "aria-label": `Table: ${label}`, tabindex: "0" }, content));
}

/** A command with a button that copies it, where the browser lets a page copy. */
export function command(text) {
  const line = h("div", { class: "command" }, h("code", {}, text));
  if (navigator.clipboard) {
    const button = h("button", { type: "button", "aria-label": "Copy: " + text }, "Copy");
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = "Copy"), 2000);
    });
    line.append(button);
  }
  return line;
}

/** What a section shows while it has nothing: why, and what to do. */
export function empty(text, ...commands) {
  return h("div", { class: "card empty" }, h("p", {}, text), commands.map(command));
}
