package heartbeat

import (
	"slices"
	"time"
)

// Device is what a client runs on: a phone that sleeps, a browser that slows the timers of a hidden tab. The driver asks
// it when to call the machine. The zero Device is awake and free. Sleeps and throttles nest.
type Device struct {
	sleeps int
	grids  []time.Duration
}

// Sleep begins a sleep and reports whether the device was awake before.
func (d *Device) Sleep() bool {
	d.sleeps++
	return d.sleeps == 1
}

// Wake ends one sleep and reports whether the device is awake by that.
func (d *Device) Wake() bool {
	if d.sleeps == 0 {
		return false
	}
	d.sleeps--
	return d.sleeps == 0
}

// Asleep reports whether nothing runs.
func (d *Device) Asleep() bool { return d.sleeps > 0 }

// Throttle lets timers wake only at multiples of grid (> 0) since the start of the run, until Free. Of several the
// coarsest counts.
func (d *Device) Throttle(grid time.Duration) { d.grids = append(d.grids, grid) }

// Free ends one Throttle with the same grid.
func (d *Device) Free(grid time.Duration) {
	if i := slices.Index(d.grids, grid); i >= 0 {
		d.grids = slices.Delete(d.grids, i, i+1)
	}
}

// Wakeup is when the device really runs a timer that is set to at.
func (d *Device) Wakeup(at time.Duration) time.Duration {
	if len(d.grids) == 0 || at >= None {
		return at
	}
	g := slices.Max(d.grids)
	if g <= 0 || at > None-g {
		return at
	}
	return (at + g - 1) / g * g
}
