// Package compare holds the Results of two sides against each other, an old one and a new one, and says which differences
// are more than chance. A regression should fail a build with a reason, and not on a hunch.
//
// # What repeats
//
// All statistics begin with the question what was observed independently, and how often.
//
// Several runs on a side (basis "runs"): the run is the unit. The clients of one run share one server, one machine and one
// storm, so that ten thousand round trips of one run are no ten thousand observations of the version under test; taken as
// such, any two runs of the same version differ "significantly". Each run gives one value of each metric, and the values of
// the two sides are compared.
//
// One run a side (basis "samples"): only what is within the runs is left. That can show that these two runs differ, and
// never that the versions do, which the output says. Metrics that clients have for themselves (when one notices a silence,
// when one is back) are tested with at most one value a client. Those that they share (round trips, handshakes: a queue
// makes all of them wait) are not tested at all, since one run holds one observation of them, nor are peaks and levels.
//
// # The tests
//
// Between runs: the t-test. With three runs a side a rank test (Mann and Whitney) cannot give less than p = 0.1, there being
// 20 ways to deal six ranks, so it would never find anything; a t-test buys its power with the assumption that a figure of a
// run, itself a sum or a quantile over hundreds of clients, is about normal between runs. With equal numbers of runs it is
// Student's: for equal n the statistic is the one of Welch's test, which then only gives away degrees of freedom; Welch's
// with unequal numbers, and Student's again for one run against several, where the one borrows the scatter of the others.
//
// The assumption breaks where figures jump between few values: a p90 that is either 0.4 ms or 7 s, a count of 0 or 1. Then
// three runs agree exactly by luck, and t is huge. Two guards: the variance between runs is taken to be no less than that of
// the figure's rounding, and no less than a quarter of what the figure's own values, were they independent, give it (the
// interval of the quantile by order statistics, the standard error of the mean). And a count of events must pass an exact
// binomial test as well; the greater p holds.
//
// Within one run: for a percentile, Mood's median test at that percentile, which is Fisher's exact test of the shares above
// the common quantile; for a mean, Welch's t-test; for a count of events, the exact binomial test, one event a client.
//
// A value that never came (nobody noticed, somebody never returned) ranks above all others; between runs it stands for the
// length of the run, the least that it may have been, about.
//
// The tests, distributions and intervals are those of github.com/aclements/go-moremath, on which benchstat rests.
// Histograms are merged, never averaged: a percentile shown for several runs is that of all their values together, while
// the interval and p are of the mean of the runs' own figures. A maximum may so lie outside of its interval.
//
// # Many figures
//
// A comparison tests dozens of figures, and one in twenty would differ by chance. What a row is called rests on p values
// corrected after Benjamini and Hochberg for all rows: with nothing changed, anything at all is called different in 5 % of
// the comparisons at most (TestUnchanged counts), while a change that moves many figures at once, as slower detection does,
// keeps its evidence. Figures that are equal in all runs of both sides are no test and do not count. Gates are asked by
// name: their p values are corrected after Holm for the number of gates alone.
//
// # What may be compared
//
// Runs of one plan, whatever their seeds: a seed decides who is hit, not what happens. What else differs in the resolved
// plan is refused, field by field, but for what names the target, the expectations and the scenario's name, none of which
// change what is done to the target. One simulation repeated with one seed is one run and is not counted twice.
package compare
