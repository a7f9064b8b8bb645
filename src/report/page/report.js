// Draws every chart of the page. Colours are the page's CSS variables, so nothing is redrawn for dark mode or print.
(() => {
  'use strict';

  const font = getComputedStyle(document.body).fontFamily;
  const config = {
    background: null,
    font,
    view: {stroke: null},
    axis: {
      labelColor: 'var(--muted)', titleColor: 'var(--muted)', gridColor: 'var(--rule)', domainColor: 'var(--muted)',
      tickColor: 'var(--muted)', labelFontSize: 12, titleFontSize: 12, titleFontWeight: 'normal', labelLimit: 150,
    },
    axisQuantitative: {domain: false, ticks: false, labelPadding: 6, labelOverlap: 'greedy', labelFlush: false, tickCount: 5},
    axisDiscrete: {grid: false, labelColor: 'var(--ink)', labelPadding: 6},
    scale: {bandPaddingInner: 0.25, bandPaddingOuter: 0.1, offsetBandPaddingInner: 0.05},
    legend: {labelColor: 'var(--ink)', labelFontSize: 12, symbolStrokeWidth: 2, offset: 8, columnPadding: 16},
    text: {color: 'var(--ink)', fontSize: 12},
    bar: {cornerRadiusEnd: 1},
  };
  const options = {
    mode: 'vega-lite', renderer: 'svg', actions: false, config, tooltip: {theme: 'custom'},
  };

  // Below `root`; the page of running experiments calls it again for what is new.
  window.drawCharts = (root) => Promise.all(Array.from(root.querySelectorAll('.plot'), (plot) => {
    const spec = JSON.parse(plot.nextElementSibling.textContent);
    return vegaEmbed(plot, spec, options).then(() => {
      // The plot's label says what it shows and the table has the numbers; every mark's own role would only be noise.
      plot.querySelector('svg').setAttribute('aria-hidden', 'true');
    }).catch((error) => {
      plot.classList.add('failed');
      plot.textContent = 'This chart could not be drawn; its numbers are in the table below.';
      console.error(error);
    });
  }));
  window.drawCharts(document).then(() => { document.documentElement.dataset.charts = 'drawn'; });
})();
