package report

import "time"

// This file opens to renderers in other packages what the text report is made of.

// FormatSetting is FormatDuration without trailing zeros, for what was set rather than measured: 6 s.
func FormatSetting(d time.Duration) string { return shortDuration(d) }

// FormatCount writes a count with thousands separated: 12,345.
func FormatCount(n int64) string { return num(n) }

// Silent reports whether the closed form of GroupInfo applies to the fault: the path just goes quiet.
func (o *Occurrence) Silent() bool { return silent(o) }

// Sum adds up what the occurrence did to all groups; its Group means nothing.
func (o *Occurrence) Sum() OccGroup { return o.sum() }

// Aftermath says, in parts, how those who noticed came back.
func (s *Summary) Aftermath(f *SummaryFault) []string { return (&text{s: s}).aftermath(f) }

// Degrades says what a fault that severs nothing does, and that nobody ought to notice it.
func (f *SummaryFault) Degrades() string {
	return describe(f.Kind) + "; nobody ought to notice, a death under it is a false positive"
}

// Merge adds the counts of o.
func (c Coarse) Merge(o Coarse) Coarse { return c.merge(o) }

// Each calls f for every bucket that holds values, ascending: the largest value of the bucket, as Rank returns it, and
// how many values there are up to it.
func (h *Hist) Each(f func(upTo time.Duration, seen int64)) {
	if h.N() == 0 {
		return
	}
	seen := int64(0)
	h.p.ForEachBucket(func(v, n int64) bool {
		seen += n
		f(time.Duration(v+bucketWidth(v)-1)*time.Microsecond, seen)
		return true
	})
}
