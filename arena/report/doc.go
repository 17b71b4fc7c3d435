// Package report writes an HTML page about a node's models: the verdict of a
// tournament with its evidence, and the scores of all runs with champions and
// alarms.
//
// The page is one file. It makes no request, and its content security policy
// forbids any. It has a dark theme and a form for print; for screen readers each
// chart has a title, a description and a table of its figures.
//
// The gap of a tournament and the quality of a run have intervals; figures that depend
// on the machine's speed have none, which the page says. A model is called better only
// if the interval of the gap excludes zero; else the page says "~", no difference
// shown.
//
// [Write] writes the page. Names from servers and files are escaped and cleaned
// of control characters.
package report
