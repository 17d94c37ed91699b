/** The ways that files come in: chosen, dropped, pasted, whole folders included. */

/**
 * Call `onFiles` whenever a person hands files in.
 *
 * @param {(files: File[]) => void} onFiles
 */
export function takeFiles(onFiles) {
  choose('choose', 'files', onFiles);
  choose('choose-folder', 'folder', onFiles);
  drop(onFiles);
  document.addEventListener('paste', (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length) event.preventDefault();
    if (files.length) onFiles(files);
  });
}

function choose(buttonId, inputId, onFiles) {
  const input = /** @type {HTMLInputElement} */ (document.getElementById(inputId));
  document.getElementById(buttonId).addEventListener('click', () => input.click());
  input.addEventListener('change', () => {
    const files = [...input.files];
    input.value = ''; // the same file can be chosen again
    onFiles(inputId === 'folder' ? files.filter(isMedia).sort(byPath) : files);
  });
}

function drop(onFiles) {
  const veil = document.getElementById('drop-veil');
  const show = (shown) => {
    veil.hidden = !shown;
  };
  addEventListener('dragover', (event) => {
    if (!event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault();
    show(true);
  });
  addEventListener('dragleave', (event) => {
    if (!event.relatedTarget) show(false);
  });
  addEventListener('drop', async (event) => {
    event.preventDefault();
    show(false);
    onFiles(await dropped(event.dataTransfer));
  });
}

/** Give all files of a drop. Of folders, only pictures and videos: nobody means the rest. */
async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.() ?? null);
  const files = [...transfer.files];
  const loose = files.filter((_, index) => !entries[index]?.isDirectory);
  const folders = entries.filter((entry) => entry?.isDirectory);
  const inside = await Promise.all(folders.map(walk));
  return [...loose, ...inside.flat().filter(isMedia)];
}

/** Give all files of a folder and those in it, by name. */
async function walk(folder) {
  const reader = folder.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)); // at most 100 at once
    if (!some.length) break;
    found.push(...some);
  }
  found.sort((one, other) => one.name.localeCompare(other.name, undefined, { numeric: true }));
  const files = await Promise.all(
    found.map((entry) => (entry.isDirectory ? walk(entry) : new Promise((resolve, reject) => entry.file(resolve, reject)))),
  );
  return files.flat();
}

const byPath = (one, other) => one.webkitRelativePath.localeCompare(other.webkitRelativePath, undefined, { numeric: true });
const isMedia = ({ type }) => type.startsWith('image/') || type.startsWith('video/');
