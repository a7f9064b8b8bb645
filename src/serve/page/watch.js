// Keeps the page as the runs are: asks for its parts every few seconds and puts in place those that have changed.
(() => {
  'use strict';

  const refreshMs = 3000;
  const names = ['runs', 'curves', 'samples'];
  const shown = {};
  const form = document.getElementById('choice');
  const status = document.getElementById('status');
  const draw = window.drawCharts ?? (() => Promise.resolve());
  document.documentElement.classList.add('live');

  const query = () => {
    const chosen = new URLSearchParams(new FormData(form)).toString();
    return chosen === '' ? 'run=none' : chosen;
  };

  const titleOf = (details) => details.closest('figure').querySelector('h3').textContent;

  // What the reader has opened stays open, the focus where it was, and the page as long as it was while charts are drawn.
  const replace = (name, html) => {
    if (shown[name] === html) return;
    shown[name] = html;
    const part = document.getElementById(`part-${name}`);
    const open = new Set(Array.from(part.querySelectorAll('details[open]'), titleOf));
    const focused = document.activeElement.id;
    part.style.minHeight = `${part.offsetHeight}px`;
    part.innerHTML = html;
    part.querySelectorAll('details').forEach((details) => { details.open ||= open.has(titleOf(details)); });
    if (focused !== '' && document.activeElement.id !== focused) document.getElementById(focused)?.focus();
    draw(part).then(() => { part.style.minHeight = ''; });
  };

  const refresh = async () => {
    const asked = query();
    try {
      const response = await fetch(`/api/parts?${asked}`);
      if (!response.ok) throw new Error(await response.text());
      const parts = await response.json();
      if (asked === query()) names.forEach((name) => replace(name, parts[name]));
      status.textContent = '';
    } catch (error) {
      status.textContent = 'The server gives no answer; what stands here is what it said last.';
    }
  };

  const keepRefreshing = async () => {
    if (!document.hidden) await refresh();
    setTimeout(keepRefreshing, refreshMs);
  };

  form.addEventListener('change', () => {
    history.replaceState(null, '', `/?${query()}`);
    refresh();
  });
  document.addEventListener('visibilitychange', () => { if (!document.hidden) refresh(); });
  setTimeout(keepRefreshing, refreshMs);
})();
