// Package html writes a Result as one page that needs nothing else: no network, no other file. The same page is what a
// live run shows in a browser, see [Live].
//
// Results become a [Page], a model of plain values, in one place ([NewPage]); the template writes its texts and
// figures, and the script in assets draws its charts from the same model, embedded as JSON. Every figure is the text
// report's to the printed digit: it is looked up in the report.Summary and carries data-metric, data-during, data-in and
// data-by, by which anybody can do the same.
//
// Everything that comes from elsewhere is inert: report.Clean makes it printable, html/template escapes it for where it
// stands, and a Content-Security-Policy names the page's own script and styles by their hashes and forbids the rest.
//
// Charts are drawn by uPlot 1.6.32 (MIT, assets/uPlot.LICENSE; https://github.com/leeoniya/uPlot): 51 KB, on canvas,
// with cursors synced over charts and logarithmic and custom scales; what draws with SVG nodes is slow from 10,000
// points on, and the large libraries are twenty times its size. assets/uPlot.* is as published on npm.
package html
