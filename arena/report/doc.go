// Package report writes what is known of a node's models as one HTML page: the
// verdict of a tournament with the evidence for it, and the scores of all runs
// with champions and alarms.
//
// The page needs nothing but itself: no request goes anywhere, and a policy in
// it forbids any. It reads in the dark, on paper, and to those who hear it: each
// chart has a title, a description and its figures as a table.
//
// Every figure of a model is shown with an interval, and no model as the better
// one unless the interval of the difference leaves out zero. Where it doesn't,
// the page says "~": no difference shown.
//
// [Write] is the whole of it. Names come from servers and files and are never
// trusted.
package report
