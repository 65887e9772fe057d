package heartbeat

import (
	"testing"
	"time"
)

// TestDevice: two sleeps overlap and the device wakes with the end of the second; of two throttles the coarser counts.
func TestDevice(t *testing.T) {
	var d Device
	if !d.Sleep() || d.Sleep() || !d.Asleep() || d.Wake() || !d.Asleep() || !d.Wake() || d.Asleep() {
		t.Error("two overlapping sleeps are not one")
	}
	if d.Wake() {
		t.Error("a device that is awake woke")
	}
	wakeup := func(at, want time.Duration) {
		t.Helper()
		if got := d.Wakeup(at); got != want {
			t.Errorf("a timer at %v runs at %v, want %v", at, got, want)
		}
	}
	wakeup(7*sec, 7*sec)
	d.Throttle(10 * sec)
	wakeup(7*sec, 10*sec)
	wakeup(10*sec, 10*sec)
	d.Throttle(60 * sec)
	wakeup(7*sec, 60*sec)
	wakeup(None, None)
	wakeup(None-1, None-1)
	d.Free(60 * sec)
	wakeup(11*sec, 20*sec)
	d.Free(5 * sec) // never throttled
	d.Free(10 * sec)
	wakeup(11*sec, 11*sec)
}
