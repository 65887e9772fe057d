//go:build linux || darwin

package process

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/flatline-dev/flatline/chaos"
)

// flatline gets a SIGKILL in the middle of a stall: the process that it was given runs again, the one it had started is
// gone with all of its group, and the guardian too.
func TestFlatlineIsKilled(t *testing.T) {
	for _, kind := range []string{"tree", "stubborn"} {
		t.Run(kind, func(t *testing.T) {
			var out screen
			given := plain(t, "ticks", &out)
			until(t, "the given process ticks", func() bool { return out.ticks(t) > 0 })

			parent := exec.Command(os.Args[0])
			parent.Env = append(os.Environ(), act+"=parent", "CHILD="+kind, "GIVEN="+itoa(given.Process.Pid))
			said, err := parent.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := parent.Start(); err != nil {
				t.Fatal(err)
			}
			line, _ := bufio.NewReader(said).ReadString('\n')
			var is pids
			if err := json.Unmarshal([]byte(line), &is); err != nil {
				t.Fatalf("the parent said %q", line)
			}
			frozen(t, &out)
			if !stopped(is.Own) || len(members(is.Own)) == 0 {
				t.Error("its own child is not stopped")
			}
			parent.Process.Kill()
			parent.Wait()
			runs(t, &out)
			until(t, "its own child and all of that's group are gone", func() bool { return ended(is.Own) && len(members(is.Own)) == 0 })
			until(t, "the guardian is gone", func() bool { return ended(is.Guardian) })
		})
	}
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

func TestGuardianIsNotInterrupted(t *testing.T) {
	g, err := newGuardian()
	if err != nil {
		t.Fatal(err)
	}
	var out screen
	p, err := startWith(context.Background(), g, child("ticks", &out))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE} {
		syscall.Kill(g.pid, sig)
	}
	for range 2 {
		if err := p.Stop(); err != nil {
			t.Fatal(err)
		}
		if err := p.Continue(); err != nil {
			t.Fatal(err)
		}
	}
	if mine, err := syscall.Getpgid(0); err == nil {
		if its, err := syscall.Getpgid(g.pid); err != nil || its == mine {
			t.Errorf("the guardian is in process group %d, %v, as we are: a Ctrl-C reaches it", its, err)
		}
	}
	p.Close()
	g.close()
	if !ended(g.pid) {
		t.Error("it did not end with its pipe")
	}
}

func TestGuardianDies(t *testing.T) {
	g, err := newGuardian()
	if err != nil {
		t.Fatal(err)
	}
	var out screen
	p, err := startWith(context.Background(), g, child("ticks", &out))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	said := make(chan error, 1)
	e := New(p)
	e.OnError = func(err error) { said <- err }
	stall := &chaos.Fault{Kind: chaos.Stall}
	if err := e.Begin(stall, chaos.Occurrence{Index: 0}, nil); err != nil {
		t.Fatal(err)
	}
	syscall.Kill(g.pid, syscall.SIGKILL)
	if err := <-said; err != errGuardianGone {
		t.Errorf("OnError got %v", err)
	}
	if err := e.End(stall, chaos.Occurrence{Index: 0}, nil); err != nil { // what was done can be undone
		t.Error(err)
	}
	runs(t, &out)
	if err := e.Begin(stall, chaos.Occurrence{Index: 1}, nil); err == nil || !strings.Contains(err.Error(), errGuardianGone.Error()) {
		t.Errorf("a new stall: %v", err)
	}
	runs(t, &out)
	if _, err := startWith(context.Background(), g, child("ticks", &out)); err == nil || !strings.Contains(err.Error(), errGuardianGone.Error()) {
		t.Errorf("a new start: %v", err)
	}
	e.Close()
}

// The number of a process that has ended belongs to somebody else: he is left alone.
func TestInheritedNumber(t *testing.T) {
	var out screen
	cmd := plain(t, "ticks", &out)
	pid := cmd.Process.Pid
	until(t, "it ticks", func() bool { return out.ticks(t) > 0 })
	syscall.Kill(pid, syscall.SIGSTOP)
	until(t, "it is stopped", func() bool { return stopped(pid) })
	for _, own := range []bool{false, true} {
		w, err := newWard(pid, 0)
		if err != nil {
			t.Fatal(err)
		}
		w.start, w.stopped, w.own = w.start-1, true, own // as if registered for an earlier process
		rescueNow(w)
		if ended(pid) || !stopped(pid) {
			t.Fatalf("own %v: a signal has reached it", own)
		}
	}
	is, err := identity(pid)
	if err != nil {
		t.Fatal(err)
	}
	wards := map[int]*ward{}
	if err := obey(wards, "stopped "+itoa(pid)+" 1"); err == nil || !strings.Contains(err.Error(), "is another one now") {
		t.Errorf("registered with a wrong identity: %v", err)
	}
	if err := obey(wards, "stopped "+itoa(pid)+" "+itoa(int(is))); err != nil {
		t.Error(err)
	}
	rescue(wards)
	runs(t, &out)
}

// rescueNow is rescue without its patience.
func rescueNow(w *ward) {
	for _, sig := range []syscall.Signal{syscall.SIGCONT, syscall.SIGTERM, syscall.SIGKILL} {
		w.signal(sig)
	}
}

func TestGuardianRefusesNonsense(t *testing.T) {
	wards := map[int]*ward{}
	self := itoa(os.Getpid())
	for _, line := range []string{"", "own", "own x", "own 1", "own 0", "stopped -1", "continued 4000000", "released " + self, "dance " + self, "stopped 2000000000"} {
		if err := obey(wards, line); err == nil || len(wards) > 0 {
			t.Errorf("%q was accepted", line)
		}
	}
}
