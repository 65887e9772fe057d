package process

import "time"

// use sees nothing here: it would take libproc, and so cgo.
func use(int, bool) (cpu time.Duration, rss uint64, fds int, ok bool) { return 0, 0, 0, false }

const usageVisible = false
