package sim_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/internal/sim"
)

// one is a scenario with a single heartcheck client (beat 3 s after the last message, dead 5 s later, back after 4 s).
func one(serve, chaos, duration string) string {
	return fmt.Sprintf(`
name: one
target: {serve: {%s}}
clients: [{count: 1, ramp: 0s, profile: heartcheck}]
chaos: [%s]
duration: %s
`, serve, chaos, duration)
}

const notable = "attempt,tcp,opened,dead,waiting,zombie,path cut,gave-up"

// TestFaults: each fault at hand-computed times. The one-way latency is 10 ms where not said otherwise: TCP after 20 ms,
// open after 40 ms, first beat at 3.04 s, its reply at 3.06 s, the next beats at 6.06, 9.08, 12.10 s and so on.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		name, serve, chaos, duration string
		keep                         string
		want                         string
	}{{
		// The beat of 12.10 s gets no reply; dead at 17.10, back at 21.10: SYNs at 21.10, 22.10, 24.10, 28.10 and, after the
		// heal at 30 s, 36.10.
		name: "blackhole", chaos: "{at: 10s, for: 20s, fault: blackhole}", duration: "37s", keep: notable,
		want: `0s client 0: attempt 1
			20ms client 0: tcp 1 after 20ms
			40ms client 0: opened 1
			17.1s client 0: dead 1 timeout, last heard 9.1s
			17.1s client 0: zombie
			17.1s client 0: waiting 1 4s, 1
			21.1s client 0: attempt 2
			30s client 0: zombie ended, reaped false
			36.12s client 0: tcp 2 after 15.02s
			36.14s client 0: opened 2`,
	}, {
		// Only what the server sends is lost: the goodbye gets through, so there is no zombie. The heal comes too late for
		// the SYN of 28.10 s.
		name: "blackhole down", chaos: "{at: 10s, for: 20s, fault: blackhole, direction: down}", duration: "37s", keep: "dead,zombie,opened 2",
		want: `17.1s client 0: dead 1 timeout, last heard 9.1s
			36.14s client 0: opened 2`,
	}, {
		// The reply to the beat of 12.10 s, held until 15 s, proves life 2.9 s late; the next beat leaves 3 s after it.
		name: "blackhole down, healed in time", chaos: "{at: 10s, for: 5s, fault: blackhole, direction: down}", duration: "19s", keep: "dead,replied,send 1",
		want: `3.04s client 0: send 1 frame 0 "123456789" due 3.04s
			3.06s client 0: replied 1 20ms
			6.06s client 0: send 1 frame 0 "123456789" due 6.06s
			6.08s client 0: replied 1 20ms
			9.08s client 0: send 1 frame 0 "123456789" due 9.08s
			9.1s client 0: replied 1 20ms
			12.1s client 0: send 1 frame 0 "123456789" due 12.1s
			15s client 0: replied 1 2.9s
			18s client 0: send 1 frame 0 "123456789" due 18s
			18.02s client 0: replied 1 20ms`,
	}, {
		// Held on the way up until 15 s, echoed 10 ms later.
		name: "blackhole up, healed in time", chaos: "{at: 10s, for: 5s, fault: blackhole, direction: up}", duration: "17s", keep: "dead,replied",
		want: `3.06s client 0: replied 1 20ms
			6.08s client 0: replied 1 20ms
			9.1s client 0: replied 1 20ms
			15.02s client 0: replied 1 2.92s`,
	}, {
		// Two at once: the path heals with the last of them. The attempt of 21.10 s has given up after 20 s; the next one
		// leaves at 45.10 s.
		name: "overlapping blackholes", duration: "60s", keep: "attempt,tcp,zombie",
		chaos: "{at: 10s, for: 20s, fault: blackhole}, {at: 25s, for: 20s, fault: blackhole}",
		want: `0s client 0: attempt 1
			20ms client 0: tcp 1 after 20ms
			17.1s client 0: zombie
			21.1s client 0: attempt 2
			41.1s client 0: attempt-failed 2 timeout
			45s client 0: zombie ended, reaped false
			45.1s client 0: attempt 3
			45.12s client 0: tcp 3 after 20ms`,
	}, {
		// The server heard the beat of 9.08 s last, at 9.09, and reaps at 19.09; the FIN cannot reach the client, which has
		// left at 17.10 anyway, but whoever watches the abandoned socket sees it.
		name: "zombie reaped", serve: "reap: 10s", chaos: "{at: 10s, for: 20s, fault: blackhole}", duration: "25s", keep: "zombie",
		want: `17.1s client 0: zombie
			19.1s client 0: zombie ended, reaped true`,
	}, {
		name: "kill rst", chaos: "{at: 10s, fault: kill, how: rst}", duration: "15s", keep: notable,
		want: `0s client 0: attempt 1
			20ms client 0: tcp 1 after 20ms
			40ms client 0: opened 1
			10s client 0: dead 1 reset, last heard 9.1s
			10s client 0: waiting 1 4s, 1
			14s client 0: attempt 2
			14.02s client 0: tcp 2 after 20ms
			14.04s client 0: opened 2`,
	}, {
		name: "kill fin", chaos: "{at: 10s, fault: kill, how: fin}", duration: "15s", keep: "dead",
		want: `10s client 0: dead 1 eof, last heard 9.1s`,
	}, {
		name: "kill close", chaos: "{at: 10s, fault: kill, how: close(1012)}", duration: "15s", keep: "dead",
		want: `10s client 0: dead 1 close frame, last heard 9.1s, code 1012`,
	}, {
		// In the upgrade there is no connection yet that could be declared dead.
		name: "kill rst in the upgrade", chaos: "{at: 30ms, fault: kill, how: rst}", duration: "5s", keep: "attempt,tcp,dead,opened",
		want: `0s client 0: attempt 1
			20ms client 0: tcp 1 after 20ms
			30ms client 0: attempt-failed 1 reset
			4.03s client 0: attempt 2
			4.05s client 0: tcp 2 after 20ms
			4.07s client 0: opened 2`,
	}, {
		// FINs leave the server's kernel at 10 s. The attempt of 14.01 s is refused one round trip later, that of 18.03 s
		// meets the new process.
		name: "kill process", chaos: "{at: 10s, fault: kill, how: process, restart: 6s}", duration: "19s", keep: "attempt,dead,opened",
		want: `0s client 0: attempt 1
			40ms client 0: opened 1
			10.01s client 0: dead 1 eof, last heard 9.1s
			14.01s client 0: attempt 2
			14.03s client 0: attempt-failed 2 refused
			18.03s client 0: attempt 3
			18.07s client 0: opened 3`,
	}, {
		// The kernel of a frozen server takes the beat of 12.10 s and, at 21.10, the connection; the upgrade waits.
		name: "stall", chaos: "{at: 10s, for: 15s, fault: stall}", duration: "26s", keep: notable,
		want: `0s client 0: attempt 1
			20ms client 0: tcp 1 after 20ms
			40ms client 0: opened 1
			17.1s client 0: dead 1 timeout, last heard 9.1s
			17.1s client 0: waiting 1 4s, 1
			21.1s client 0: attempt 2
			21.12s client 0: tcp 2 after 20ms
			25.01s client 0: opened 2`,
	}, {
		name: "stall, over in time", chaos: "{at: 10s, for: 5s, fault: stall}", duration: "17s", keep: "dead,replied",
		want: `3.06s client 0: replied 1 20ms
			6.08s client 0: replied 1 20ms
			9.1s client 0: replied 1 20ms
			15.01s client 0: replied 1 2.91s`,
	}, {
		// Two at once: the process runs again when the last one ends.
		name: "overlapping stalls", chaos: "{at: 10s, for: 3s, fault: stall}, {at: 11s, for: 5s, fault: stall}", duration: "17s", keep: "dead,replied",
		want: `3.06s client 0: replied 1 20ms
			6.08s client 0: replied 1 20ms
			9.1s client 0: replied 1 20ms
			16.01s client 0: replied 1 3.91s`,
	}, {
		name: "refuse", duration: "19s", keep: "attempt,dead,opened",
		chaos: "{at: 9s, for: 6s, fault: refuse}, {at: 10s, fault: kill, how: rst}",
		want: `0s client 0: attempt 1
			40ms client 0: opened 1
			10s client 0: dead 1 reset, last heard 9.1s
			14s client 0: attempt 2
			14s client 0: attempt-failed 2 refused
			18s client 0: attempt 3
			18.04s client 0: opened 3`,
	}, {
		// The connection is quiet from 3.06 s on and would beat at 6.06; quiet for 2 s from the fault's begin at 4 s is 6 s.
		// Its beats vanish; it notices at 11.06. The new connection of 15.10 s falls to the same fault at 17.10 s.
		name: "idle-cut silent", serve: "reap: 10s", chaos: "{at: 4s, for: 20s, fault: idle-cut, after: 2s}", duration: "20s", keep: "path cut,dead,zombie,opened",
		want: `40ms client 0: opened 1
			6s client 0: path cut by 0
			11.06s client 0: dead 1 timeout, last heard 3.06s
			11.06s client 0: zombie
			13.06s client 0: zombie ended, reaped true
			15.1s client 0: opened 2
			17.1s client 0: path cut by 0`,
	}, {
		name: "idle-cut rst", chaos: "{at: 4s, for: 3s, fault: idle-cut, after: 2s, how: rst}", duration: "12s", keep: "path cut,dead,zombie,opened",
		want: `40ms client 0: opened 1
			6s client 0: path cut by 0
			6s client 0: dead 1 reset, last heard 3.06s
			10.04s client 0: opened 2`,
	}, {
		// Beats every 3.02 s keep the connection from being quiet for 4 s.
		name: "idle-cut too slow", chaos: "{at: 4s, fault: idle-cut, after: 4s}", duration: "40s", keep: "path cut,dead",
		want: ``,
	}, {
		// The beat of 12.10 s is due in its sleep and leaves on waking at 15 s, from which its round trip counts.
		name: "sleep", chaos: "{at: 10s, for: 5s, fault: suspend}", duration: "16s", keep: "dead,replied",
		want: `3.06s client 0: replied 1 20ms
			6.08s client 0: replied 1 20ms
			9.1s client 0: replied 1 20ms
			15.02s client 0: replied 1 20ms`,
	}, {
		// The reply of 12.12 s waits in the socket; on waking the detector, overdue since 17.10 s, fires before it is read.
		name: "sleep with a beat out", chaos: "{at: 12.11s, for: 7.89s, fault: suspend}", duration: "21s", keep: "dead,replied",
		want: `3.06s client 0: replied 1 20ms
			6.08s client 0: replied 1 20ms
			9.1s client 0: replied 1 20ms
			20s client 0: dead 1 timeout, last heard 9.1s`,
	}, {
		// Asleep when it should start, it starts on waking.
		name: "sleep before the start", chaos: "{at: 0s, for: 5s, fault: suspend}", duration: "6s", keep: "attempt,opened",
		want: `5s client 0: attempt 1
			5.04s client 0: opened 1`,
	}, {
		// Timers at whole 4 s only: the beat of 12.10 s leaves at 16, that of 19.02 at 20, that of 23.02 at 24, from which
		// its round trip counts.
		name: "timers", chaos: "{at: 10s, for: 15s, fault: suspend, how: timers, grid: 4s}", duration: "28s", keep: "dead,replied",
		want: `3.06s client 0: replied 1 20ms
			6.08s client 0: replied 1 20ms
			9.1s client 0: replied 1 20ms
			16.02s client 0: replied 1 20ms
			20.02s client 0: replied 1 20ms
			24.02s client 0: replied 1 20ms
			27.04s client 0: replied 1 20ms`,
	}, {
		// 300 ms each way for the frames that begin their way in 10..20 s.
		name: "delay", chaos: "{at: 10s, for: 10s, fault: delay, by: 300ms}", duration: "22s", keep: "dead,replied",
		want: `3.06s client 0: replied 1 20ms
			6.08s client 0: replied 1 20ms
			9.1s client 0: replied 1 20ms
			12.72s client 0: replied 1 620ms
			16.34s client 0: replied 1 620ms
			19.96s client 0: replied 1 620ms`,
	}, {
		// A beat is 2 + 4 + 9 bytes up and 2 + 9 down: 1.5 s and 1.1 s at 10 B/s.
		name: "throttle", chaos: "{at: 10s, for: 8s, fault: throttle, rate: 10B/s}", duration: "16s", keep: "dead,replied",
		want: `3.06s client 0: replied 1 20ms
			6.08s client 0: replied 1 20ms
			9.1s client 0: replied 1 20ms
			14.72s client 0: replied 1 2.62s`,
	}, {
		name: "drain", chaos: "{at: 10s, fault: drain, grace: 3s, code: 1001}", duration: "18s", keep: "dead,opened",
		want: `40ms client 0: opened 1
			13.01s client 0: dead 1 close frame, last heard 12.12s, code 1001
			17.05s client 0: opened 2`,
	}} {
		t.Run(c.name, func(t *testing.T) {
			p := plan(t, one(c.serve, c.chaos, c.duration))
			tr := simulate(t, p, sim.Model{Latency: 10 * time.Millisecond})
			want(t, tr.lines(only(c.keep)), c.want)
		})
	}
}
