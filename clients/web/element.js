/**
 * Make an element. Children that are text stay text: nothing from outside is ever read as HTML.
 *
 * Attributes: a function becomes a listener ("click"), `true` an empty attribute, `false`, `null` and `undefined` none.
 *
 * @param {string} tag
 * @param {Record<string, any>} [attributes]
 * @param {...(Node|string)} children
 * @returns {any}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') made.addEventListener(name, value);
    else if (value === true) made.setAttribute(name, '');
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** Give a node a text, and touch it only when it differs: a live region then speaks only of news. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Put nodes where there were others, and leave everything alone when they are the same. */
export function setChildren(parent, nodes) {
  const same = nodes.length === parent.childNodes.length && nodes.every((node, index) => node === parent.childNodes[index]);
  if (!same) parent.replaceChildren(...nodes);
}
